"""What a pipeline of an earlier version left: its topics, record by record, and its volume.

old_version/README.md says where the data is from.

Written back, each record has the partition and the offset that it had: the state knows its logs by offsets.
"""

import json
import tarfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clickstream_local.testing.eventually import eventually
from clickstream_local.testing.fixtures import Topics
from confluent_kafka import Producer

from processor_support.runtime_rig import Rig

FOLDER = Path(__file__).parent / "old_version"
FOREVER = str(2**63 - 1)
Place = tuple[str, int]  # topic without the pipeline's id, partition


class KeptTopics(Topics):
    """Topics that keep records of any age, and take those of a clock that is ahead of this one."""

    def create(self, name: str, partitions: int = 1, **config: str) -> str:
        """Create a topic that keeps everything; its readers are told so, too."""
        kept = {
            "retention_ms": "-1",
            "delete_retention_ms": FOREVER,
            "min_compaction_lag_ms": FOREVER,
            "max_compaction_lag_ms": FOREVER,
            "message_timestamp_after_max_ms": FOREVER,
        }
        return super().create(name, partitions, **{**config, **kept})


@dataclass(frozen=True)
class OldRecord:
    """One record, as it is to be written."""

    offset: int
    time_ms: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class OldVersion:
    """The data of one version, for the pipeline of one rig: its id stands where the old one stood."""

    def __init__(self, name: str) -> None:
        with tarfile.open(FOLDER / f"{name}.tar.xz") as archive:
            members = [(each.name, archive.extractfile(each)) for each in archive.getmembers()]
            self._files = {path: file.read() for path, file in members if file is not None}
        about = json.loads(self._files["about.json"])
        self._id: str = about["id"]
        self.base_ms: int = about["base_ms"]
        self.processing: Mapping[str, Any] = about["processing"]
        self.ends: Mapping[str, list[int]] = about["ends"]

    def unpack_volume(self, folder: Path) -> None:
        """Lay the pod's volume into a folder."""
        for path, content in self._files.items():
            if path.startswith("volume/"):
                target = folder / path.removeprefix("volume/")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)

    def write_into(self, rig: Rig, topics: Topics) -> None:
        """Write all records into a rig's empty topics; each gets the offset that it had."""
        logs = self._records(rig.id)
        producer = Producer(
            {"bootstrap.servers": rig.kafka.bootstrap, "transactional.id": f"{rig.id}-0", "linger.ms": 20}
        )
        producer.init_transactions(60)
        plain = Producer({"bootstrap.servers": rig.kafka.bootstrap, "enable.idempotence": True})
        transactions: dict[Place, Iterator[list[OldRecord]]] = {}
        for (name, partition), records in logs.items():
            if self.ends[name][partition] == len(records):  # nothing but records: inputs
                _produce(plain, f"{rig.id}-{name}", partition, records)
            else:
                transactions[name, partition] = runs(records)
        assert plain.flush(120) == 0
        while transactions:
            producer.begin_transaction()
            for place, each in list(transactions.items()):
                run = next(each, None)
                if run is None:
                    del transactions[place]
                else:
                    _produce(producer, f"{rig.id}-{place[0]}", place[1], run)
            producer.commit_transaction(60)
        rig.sent = sum(self.ends["clicks"])
        self._compare(rig, topics, logs)

    def _records(self, new_id: str) -> dict[Place, list[OldRecord]]:
        """Return the records of each partition, with another pipeline's id."""

        def renamed(text: str | None) -> bytes | None:
            return (
                None if text is None else text.encode("latin-1").replace(self._id.encode(), new_id.encode())
            )

        found: dict[Place, list[OldRecord]] = defaultdict(list)
        for line in self._files["records.jsonl"].splitlines():
            each = json.loads(line)
            headers = [(name, renamed(value) or b"") for name, value in each["headers"]]
            key, value = renamed(each["key"]), renamed(each["value"])
            record = OldRecord(each["offset"], each["time_ms"], key, value, headers)
            found[each["topic"], each["partition"]].append(record)
        return found

    def _compare(self, rig: Rig, topics: Topics, logs: Mapping[Place, list[OldRecord]]) -> None:
        """Assert that the topics are what they were."""
        for name, ends in self.ends.items():
            topic = f"{rig.id}-{name}"

            def is_whole(topic: str = topic, ends: list[int] = ends) -> bool:
                found = list(topics.end_offsets(topic).values())
                assert found == ends
                return True

            # A commit is answered before its markers are in the logs.
            eventually(is_whole, f"the ends of {name}")
            wanted = [
                (partition, each.offset, each.time_ms, each.key, each.value)
                for partition in range(len(ends))
                for each in logs[name, partition]
            ]
            assert wanted == [
                (each.partition(), each.offset(), each.timestamp()[1], each.key(), each.value())
                for each in rig.committed(topic)
            ], name


def runs(records: Sequence[OldRecord]) -> Iterator[list[OldRecord]]:
    """Yield records whose offsets follow each other: what is between two runs is a transaction's marker."""
    run: list[OldRecord] = []
    for record in records:
        if run and record.offset != run[-1].offset + 1:
            yield run
            run = []
        run.append(record)
    yield run


def _produce(producer: Producer, topic: str, partition: int, records: Sequence[OldRecord]) -> None:
    for each in records:
        headers: list[tuple[str, str | bytes | None]] = [*each.headers]
        producer.produce(topic, each.value, each.key, partition, timestamp=each.time_ms, headers=headers)
