"""Waiting for the pipeline: until all clicks are processed, until all documents can be found."""

import json
import time

from clickstream_operator.manifests.names import POSITIONS, internal_topic
from clickstream_operator.manifests.sinks import search_of

from clickstream_local.errors import DeadlinePassed
from clickstream_local.parts.search import call
from clickstream_local.pipeline.live_line import indexed
from clickstream_local.pipeline.reading import end_offsets, read_all
from clickstream_local.pipeline.stack import Stack

POLL_S = 0.1


def positions(stack: Stack) -> dict[int, int]:
    """Return by partition how far the clicks are processed."""
    found: dict[int, int] = {}
    for message in read_all(stack.kafka.bootstrap, internal_topic(stack.pipeline, POSITIONS)):
        value, task = message.value(), message.key() or b""
        if value is not None and task.startswith(b"clicks-"):  # those of other stages are in other inputs
            found[message.partition() or 0] = int(json.loads(value)["clicks"])
    return found


def wait_until_drained(stack: Stack, timeout_s: float = 120) -> None:
    """Wait until the committed positions are at the present end of the clicks."""
    ends = end_offsets(stack.kafka.bootstrap, stack.pipeline.spec.topics.clicks)
    deadline = time.monotonic() + timeout_s
    while True:
        at = positions(stack)
        behind = sum(max(0, end - at.get(partition, 0)) for partition, end in ends.items())
        if not behind:
            return
        if time.monotonic() > deadline:
            raise DeadlinePassed(
                f"{behind:,} clicks were not processed after {timeout_s:.0f} s; see pod-*.log"
            )
        time.sleep(POLL_S)


def wait_until_indexed(stack: Stack, wanted: int, timeout_s: float = 120) -> None:
    """Wait until that many documents can be found, or none has come for 20 s."""
    index = search_of(stack.pipeline).index
    deadline, last, moved = time.monotonic() + timeout_s, -1, time.monotonic()
    while time.monotonic() < deadline and time.monotonic() - moved < 20:
        call(stack.search, "POST", f"/{index}-*/_refresh")
        found = indexed(stack.search, index)
        if found >= wanted:
            return
        if found != last:
            last, moved = found, time.monotonic()
        time.sleep(POLL_S)
