"""Where topics end for a reader of committed records, and what is in them."""

import time
from collections.abc import Callable, Iterator, Sequence

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

QUIET_S = 1.5
DEADLINE_S = 300.0
LOOK_S = 0.05


class Ends:
    """The committed ends of some topics."""

    def __init__(self, bootstrap: str, topics: Sequence[str], partitions: int) -> None:
        self._admin = AdminClient({"bootstrap.servers": bootstrap})
        places = [TopicPartition(name, partition) for name in topics for partition in range(partitions)]
        self._request = {place: OffsetSpec.latest() for place in places}  # type: ignore[no-untyped-call]

    def sum(self) -> int:
        """Return the sum of the last stable offsets."""
        futures = self._admin.list_offsets(self._request, isolation_level=IsolationLevel.READ_COMMITTED)
        return sum(future.result(30).offset for future in futures.values())

    def quiet(self, look: Callable[[], float]) -> tuple[float, float]:
        """Wait until nothing more is committed; return clock and `look` when the last of it was.

        `look` is called each time that something has grown.
        """
        grown_s, before = time.perf_counter(), -1
        found = look()
        until_s = grown_s + DEADLINE_S
        while True:
            try:
                now = self.sum()
            except KafkaException:  # a topic has no leader yet
                now = before
            at_s = time.perf_counter()
            if now > before:
                grown_s, before, found = at_s, now, look()
            elif at_s - grown_s > QUIET_S:
                return grown_s, found
            if at_s > until_s:
                raise TimeoutError(f"something is still committed after {DEADLINE_S:.0f} s")
            time.sleep(LOOK_S)


def entries(bootstrap: str, topic: str, partitions: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield key and value of a topic's committed records, to its end."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "entries",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "fetch.max.bytes": 10_000_000,
        }
    )
    try:
        consumer.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])
        ended = 0
        while ended < partitions:
            for message in consumer.consume(10_000, 0.5):
                error = message.error()
                if error is None:
                    yield message.key() or b"", message.value() or b""
                elif error.code() == KafkaError._PARTITION_EOF:
                    ended += 1
    finally:
        consumer.close()
