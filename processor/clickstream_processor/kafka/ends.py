"""Where logs begin and end, asked of the brokers: for all partitions in one request, of committed records.

The end is the last stable offset: everything before it is committed or aborted for good (R10).
"""

import time
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeAlias

from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, OffsetSpec, ResourceType  # type: ignore[attr-defined,unused-ignore]

LogKey: TypeAlias = tuple[str, int]  # topic, partition
REQUEST_TIMEOUT_S = 10.0
_FIRST: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
_LAST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Log:
    """One partition's offsets: the first record kept, and the last stable offset."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Ends:
    """An answer: last stable offsets, none of them older than `asked_ms` (wall clock)."""

    asked_ms: int
    high: dict[LogKey, int]


def read_logs(admin: AdminClient, keys: Iterable[LogKey]) -> dict[LogKey, Log]:
    """Return both ends of each log as of now. Raises KafkaException; blocks 20 s at most."""
    wanted = list(keys)
    lows = _wait(_request(admin, wanted, _FIRST))
    highs = _wait(_request(admin, wanted, _LAST))
    return {key: Log(lows[key], highs[key]) for key in wanted}


def read_high_watermarks(admin: AdminClient, keys: Iterable[LogKey]) -> dict[LogKey, int]:
    """Return the end of each log, open transactions included. Raises KafkaException; blocks 10 s at most."""
    return _wait(_request(admin, list(keys), _LAST, IsolationLevel.READ_UNCOMMITTED))


class EndsWatch:
    """Asks again and again without blocking; one request is under way at most."""

    def __init__(self, admin: AdminClient) -> None:
        self._admin = admin
        self._asked_ms = 0
        self._asked: dict[LogKey, Future[Any]] = {}

    def ask(self, keys: Iterable[LogKey]) -> None:
        """Send a request unless one is under way."""
        wanted = list(keys)
        if wanted and not self._asked:
            self._asked_ms = time.time_ns() // 1_000_000
            self._asked = _request(self._admin, wanted, _LAST)

    def take(self) -> Ends | None:
        """Return the answer once, when it has come; failed requests are forgotten."""
        if not self._asked or not all(future.done() for future in self._asked.values()):
            return None
        asked, self._asked = self._asked, {}
        high = {key: f.result().offset for key, f in asked.items() if f.exception() is None}
        return Ends(self._asked_ms, high) if high else None


def topic_setting(admin: AdminClient, topic: str, name: str) -> int | None:
    """Return a topic's setting as a number; None where the brokers or the ACLs do not tell."""
    resource = ConfigResource(ResourceType.TOPIC, topic)
    try:
        entries = admin.describe_configs([resource], request_timeout=REQUEST_TIMEOUT_S)[resource].result()
        return int(entries[name].value)
    except (KafkaException, KeyError, TypeError, ValueError):
        return None


def _request(
    admin: AdminClient,
    keys: list[LogKey],
    spec: OffsetSpec,
    isolation: IsolationLevel = IsolationLevel.READ_COMMITTED,
) -> dict[LogKey, Future[Any]]:
    futures = admin.list_offsets(
        {TopicPartition(topic, partition): spec for topic, partition in keys},
        isolation_level=isolation,
        request_timeout=REQUEST_TIMEOUT_S,
    )
    return {(tp.topic, tp.partition): future for tp, future in futures.items()}


def _wait(futures: dict[LogKey, Future[Any]]) -> dict[LogKey, int]:
    return {key: future.result().offset for key, future in futures.items()}
