"""Clicks that their senders send again, through pods that are killed: each counts once."""

import json
import random
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.eventually import eventually
from clickstream_local.testing.fixtures import Topics
from processor_support.runtime_rig import Rig, users

NAMES = users(40)


@pytest.fixture(params=["murmur2", "any"])
def rig(request: pytest.FixtureRequest, kafka: Kafka, topics: Topics, tmp_path: Path) -> Iterator[Rig]:
    """Two pods of a pipeline with dedup."""
    processing: dict[str, Any] = {"dedup": {"key": "click.message_id", "for": "1h"}}
    shape: dict[str, Any] = {"partitions": 4, "pods": 2, "partitioner": request.param}
    rig = Rig(kafka, topics, tmp_path, processing=processing, **shape)
    rig.send_profiles(NAMES)
    yield rig
    rig.stop()


class Sender:
    """Sends clicks, and some of them again, as one that heard no answer."""

    def __init__(self, rig: Rig) -> None:
        self._rig, self._chance = rig, random.Random(5)
        self._sent: list[tuple[str, dict[str, Any]]] = []
        self.again = 0

    def send(self, count: int) -> None:
        """Write so many, and a tenth of all so far again."""
        now_ms = int(time.time() * 1_000)
        for number in range(count):
            user = self._chance.choice(NAMES)
            body = {"user_id": user, "page_url": f"/{number}", "action": "view", "timestamp": now_ms + number}
            body["message_id"] = f"m-{len(self._sent)}"
            self._sent.append((user, body))
            self._rig.send("clicks", user, body)
        for user, body in self._chance.sample(self._sent, len(self._sent) // 10):
            self._rig.send("clicks", user, body)
            self.again += 1
        self._rig.flush()

    def pages(self) -> Counter[tuple[str, str, int]]:
        """Return what must come out."""
        return Counter((user, body["page_url"], body["timestamp"]) for user, body in self._sent)

    def clicks(self) -> Counter[str]:
        """Return the clicks of each user."""
        return Counter(user for user, _ in self._sent)


def test_each_click_counts_once_through_kills_and_lost_volumes(rig: Rig) -> None:
    sender = Sender(rig)
    sender.send(2_000)
    for ordinal in (0, 1):
        rig.start(ordinal)
    rig.wait_until_handled()
    sender.send(2_000)
    eventually(lambda: rig.handled() > 2_300, "some are handled")
    rig.processes[0].kill()
    eventually(lambda: rig.processes[0].exit_status is not None, "it is dead")
    sender.send(1_000)
    rig.start(0)
    rig.wait_until_handled()
    rig.processes[1].kill()  # its volume is lost: the ids come back from the changelog
    eventually(lambda: rig.processes[1].exit_status is not None, "it is dead")
    shutil.rmtree(rig.data_dir(1))
    rig.start(1)
    sender.send(1_000)
    rig.wait_until_handled()

    bodies = [json.loads(message.value() or b"") for message in rig.committed(rig.names["enriched"])]
    assert Counter((b["user_id"], b["page_url"], b["timestamp"]) for b in bodies) == sender.pages()
    counts: dict[tuple[str, int], int] = {}
    for message in rig.committed(rig.names["metrics"]):
        body = json.loads(message.value() or b"")
        counts[body["user_id"], body["window_start"]] = body["clicks"]
    total: Counter[str] = Counter()
    for (user, _), clicks in counts.items():
        total[user] += clicks
    assert total == sender.clicks()
    assert sender.again > 1_000
    assert rig.metric("clickstream_records_dropped_total", reason="duplicate") > 0
