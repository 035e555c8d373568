"""Reads dead letters from their topic, in windows of offsets: with clients of its own, for one question.

A pod makes few such readers, and each lives for seconds. Nothing is kept between them.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from typing import cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from clickstream_processor.dead_letters.letter import Letter, letter_of
from clickstream_processor.dead_letters.log import LettersUnavailable
from clickstream_processor.kafka.client import make_admin, make_consumer
from clickstream_processor.kafka.ends import Log, read_logs
from clickstream_processor.kafka.headers import headers_in
from clickstream_processor.settings.settings import Settings
from clickstream_processor.topology.interfaces import Message as Record

log = logging.getLogger(__name__)

_METADATA_S = 5.0
_OFFSETS_S = 5.0
_POLL_S = 0.1
_AT_ONCE = 200  # records; some milliseconds of the interpreter
# One letter can be as large as its topic takes: the brokers give it whole, whatever these say.
_FETCH: dict[str, int | str] = {
    "auto.offset.reset": "earliest",  # what went by its retention meanwhile is passed over
    "fetch.message.max.bytes": 256 << 10,
    "queued.max.messages.kbytes": 4 << 10,
    "queued.min.messages": 1_000,
}
_REFUSED = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
)


class KafkaLetterTopic:
    """The dead-letter topic of a pipeline."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def name(self) -> str:
        """Return the topic's name."""
        return self._settings.topics.dead_letters

    def open(self) -> "KafkaLetterLog":
        """Return a reader."""
        return KafkaLetterLog(self._settings)


class KafkaLetterLog:
    """One reader of the topic. Used by one thread; all calls block, none for longer than its time-out."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topic = settings.topics.dead_letters
        self._consumer: Consumer = make_consumer(settings, "letters", **_FETCH)

    def bounds(self, from_ms: int | None) -> dict[int, range]:
        """Return by partition the offsets that hold all letters from a time on. Raises LettersUnavailable."""
        try:
            logs = self._logs()
            first = self._first(logs, from_ms) if from_ms is not None else {}
        except KafkaException as error:
            raise self._unavailable(error.args[0]) from error
        return {p: range(max(ends.low, first.get(p, 0)), ends.high) for p, ends in logs.items()}

    def read(self, windows: Mapping[int, range], until_s: float) -> dict[int, list[Letter]]:
        """Return the committed letters of those windows that were read to their end before a monotonic time.

        Raises LettersUnavailable.
        """
        left = {partition: window for partition, window in windows.items() if window}
        got: dict[int, list[Record]] = {partition: [] for partition in windows}
        self._consumer.incremental_assign([self._at(p, window.start) for p, window in left.items()])
        try:
            while left and time.monotonic() < until_s:
                for message in self._consumer.consume(_AT_ONCE, _POLL_S):
                    self._take(message, left, got)
        except KafkaException as error:
            raise self._unavailable(error.args[0]) from error
        finally:
            if left:
                self._consumer.incremental_unassign([self._at(p, 0) for p in left])
        return {each: letters_in(each, records) for each, records in got.items() if each not in left}

    def close(self) -> None:
        """Let the connections go."""
        self._consumer.close()

    def _take(self, message: Message, left: dict[int, range], got: dict[int, list[Record]]) -> None:
        """Keep a record of a window; forget the window once it is read to its end."""
        error, partition, offset = message.error(), message.partition(), message.offset() or 0
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            if error.code() in _REFUSED:
                raise self._unavailable(error)
            log.warning("letters of %s: %s", self._topic, error)
            return
        window = left.get(partition) if partition is not None else None
        if partition is None or window is None:
            return  # prefetched before its partition was let go
        if error is None and offset < window.stop:
            got[partition].append(cast(Record, message))
        # A window may end with the marks of transactions: then the next record, or the end, says so.
        if offset >= window.stop - (error is None):
            del left[partition]
            self._consumer.incremental_unassign([self._at(partition, 0)])

    def _logs(self) -> dict[int, Log]:
        about = self._consumer.list_topics(self._topic, timeout=_METADATA_S).topics[self._topic]
        if about.error is not None:
            raise KafkaException(about.error)
        admin = make_admin(self._settings, "letters")
        found = read_logs(admin, [(self._topic, partition) for partition in about.partitions])
        return {partition: ends for (_, partition), ends in found.items()}

    def _first(self, logs: dict[int, Log], from_ms: int | None) -> dict[int, int]:
        """Return by partition the first offset whose record has this time or a later one: none before has."""
        asked = [self._at(partition, from_ms or 0) for partition in logs]
        found = self._consumer.offsets_for_times(asked, timeout=_OFFSETS_S)
        return {
            each.partition: each.offset if each.offset >= 0 else logs[each.partition].high for each in found
        }

    def _at(self, partition: int, offset: int) -> TopicPartition:
        return TopicPartition(self._topic, partition, offset)

    def _unavailable(self, error: KafkaError) -> LettersUnavailable:
        if error.code() in _REFUSED:
            return LettersUnavailable(
                f"The brokers do not let the pods read {self._topic}: their user needs Read."
            )
        return LettersUnavailable(f"{self._topic} cannot be read: {error.str()}")


def letters_in(partition: int, records: Sequence[Record]) -> list[Letter]:
    """Return the letters that a partition's records are. One whose headers cannot be read has none."""
    headers = headers_in(records)
    return [letter_of(partition, record, headers.get(index, ())) for index, record in enumerate(records)]
