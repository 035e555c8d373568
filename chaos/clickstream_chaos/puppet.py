"""A controller whose strings the suite pulls: it writes exactly the assignment it is told to."""

import json
import time
from collections.abc import Mapping, Sequence

from confluent_kafka import Producer


class Puppet:
    """Writes the control topic of a pipeline in place of a controller."""

    def __init__(self, bootstrap: str, pipeline_id: str, partitions: int) -> None:
        self._topic = f"{pipeline_id}-assignment"
        self._partitions = partitions
        self._generation = 0
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "log_level": 0,
                "transactional.id": f"{pipeline_id}-controller",
            }
        )
        self._producer.init_transactions(60)
        claim = {"version": 1, "term": 1, "controller": "puppet", "at_ms": int(time.time() * 1_000)}
        self._write({"claim": claim})

    def give_all(
        self, owner: int, fence: Sequence[int] = (), standbys: Sequence[int] = (), started: bool = True
    ) -> None:
        """Make a pod the owner of every task, in a new generation."""
        self.give(dict.fromkeys(range(self._partitions), (owner, fence)), standbys, started)

    def give(
        self,
        owners: Mapping[int, tuple[int, Sequence[int]]],
        standbys: Sequence[int] = (),
        started: bool = True,
    ) -> None:
        """Change owners: partition -> owner and fence list, all in one new generation."""
        self._generation += 1
        records: dict[str, object] = {
            f"task/{stage}-{partition}": {
                "version": 1,
                "term": 1,
                "generation": self._generation,
                "epoch": self._generation,
                "owner": owner,
                "fence": list(fence),
                "standbys": list(standbys),
                "started": started,
            }
            for stage in ("clicks", "metrics")
            for partition, (owner, fence) in owners.items()
        }
        self._write(records)

    def _write(self, records: dict[str, object]) -> None:
        self._producer.begin_transaction()
        for key, record in records.items():
            self._producer.produce(self._topic, json.dumps(record), key, 0)
        self._producer.commit_transaction(60)
