"""A consumer and how far it has read each log, so that another can take its place."""

import threading
from collections.abc import Callable, Iterable

from confluent_kafka import Consumer, TopicPartition

from clickstream_processor.kafka.ends import LogKey


class Following:
    """Reads logs from given offsets on. Used by one thread; `consumer` changes with `replace_consumer`."""

    def __init__(self, make: Callable[[], Consumer]) -> None:
        self._make = make
        self._next: dict[LogKey, int] = {}
        self.consumer = make()

    def next_of(self, key: LogKey) -> int | None:
        """Return the offset that comes next in a log; None where it is not read."""
        return self._next.get(key)

    def follow(self, offsets: Iterable[tuple[str, int, int]]) -> None:
        """Read these logs too: (topic, partition, offset)."""
        wanted = list(offsets)
        self.consumer.incremental_assign([TopicPartition(*offset) for offset in wanted])
        self._next.update(((topic, partition), offset) for topic, partition, offset in wanted)

    def forget(self, keys: Iterable[LogKey]) -> None:
        """Read those of these logs that are followed no more; what is prefetched is dropped."""
        known = self._next.keys() & set(keys)
        if known:
            self.consumer.incremental_unassign([TopicPartition(*key) for key in known])
            for key in known:
                del self._next[key]

    def passed(self, key: LogKey, following: int) -> None:
        """Note the offset that comes next in a log; each record that was given out must be told so."""
        if key in self._next:
            self._next[key] = following

    def replace_consumer(self) -> None:
        """Go on with a new consumer where the old one was."""
        old, self.consumer = self.consumer, self._make()
        self.consumer.incremental_assign([TopicPartition(*key, offset) for key, offset in self._next.items()])
        # What is wrong with the old one may be in the way of its end, too.
        threading.Thread(target=old.close, name="close a consumer", daemon=True).start()

    def close(self) -> None:
        """Close the consumer."""
        self.consumer.close()
