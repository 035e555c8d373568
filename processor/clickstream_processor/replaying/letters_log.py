"""Reads the dead-letter topic: where a replay begins and ends, and the letters in between."""

import logging
from collections.abc import Iterator, Mapping, Sequence

from confluent_kafka import TopicPartition

from clickstream_processor.errors import ReplayFailed
from clickstream_processor.kafka import client
from clickstream_processor.kafka.ends import read_logs, topic_setting
from clickstream_processor.kafka.letter_topic import letters_in
from clickstream_processor.kafka.log_reader import LogReader
from clickstream_processor.replaying.letter import DeadLetter, read_letter
from clickstream_processor.settings.settings import Settings
from clickstream_processor.topology.interfaces import Message
from clickstream_processor.topology.records.replayed import Places

log = logging.getLogger(__name__)
TRY_S = 20.0
READ_S = 0.5


class LettersLog:
    """The topic as it is now. Used by one thread."""

    def __init__(self, settings: Settings) -> None:
        self.topic = settings.topics.dead_letters
        self._settings = settings
        self._places = Places(settings.topics.clicks, settings.topics.partitions)
        self._admin = client.make_admin(settings, "replay-admin")
        found = self._admin.list_topics(self.topic, timeout=TRY_S).topics[self.topic]
        if found.error is not None or not found.partitions:
            raise ReplayFailed(f"the topic of dead letters, {self.topic}, is not there: {found.error}")
        self.partitions = len(found.partitions)

    def bounds(self, from_ms: int | None) -> dict[int, tuple[int, int]]:
        """Return where each partition begins and ends now. Raises KafkaException.

        `from_ms`: no letter before the first offset has this record time or a later one.
        """
        logs = read_logs(self._admin, [(self.topic, number) for number in range(self.partitions)])
        bounds = {number: (found.low, found.high) for (_, number), found in logs.items()}
        if from_ms is None:
            return bounds
        consumer = client.make_consumer(self._settings, "replay-times")
        try:
            asked = [TopicPartition(self.topic, number, from_ms) for number in bounds]
            for found in consumer.offsets_for_times(asked, timeout=TRY_S):
                low, high = bounds[found.partition]
                start = high if found.offset < 0 else min(high, max(low, found.offset))
                bounds[found.partition] = start, high
        finally:
            consumer.close()
        return bounds

    def read(
        self, spans: Mapping[int, tuple[int, int]], count: int
    ) -> Iterator[tuple[dict[int, int], list[DeadLetter]]]:
        """Yield letters in batches, each with the next offset of every partition that has moved.

        `spans`: next offset and end, by partition. Where nothing came for a moment, both are empty. Letters
        that were deleted meanwhile are passed over. Raises ReplayFailed where an end is no longer there.
        """
        left = {number: end for number, (start, end) in spans.items() if start < end}
        if not left:
            return
        reader = LogReader(lambda: client.make_consumer(self._settings, "replay"))
        try:
            reader.follow((self.topic, number, spans[number][0]) for number in left)
            while left:
                batch = reader.read(count, READ_S)
                moved: dict[int, int] = {}
                letters: list[DeadLetter] = []
                for (_, number), records in batch.records.items():
                    if number in left:
                        kept = [record for record in records if record.offset() < left[number]]
                        letters += self._letters_of(number, kept)
                        moved[number] = min(records[-1].offset() + 1, left[number])
                for (_, number), offset in batch.reached.items():
                    if number in left:
                        self._require_end(number, offset, left[number])
                        moved[number] = min(offset, left[number])
                for key in batch.lost:
                    self._skip_deleted(reader, key)
                done = [number for number, offset in moved.items() if offset >= left[number]]
                for number in done:
                    del left[number]
                reader.forget((self.topic, number) for number in done)
                yield moved, letters
        finally:
            reader.close()

    def _letters_of(self, partition: int, records: Sequence[Message]) -> list[DeadLetter]:
        return [read_letter(self.topic, each, self._places) for each in letters_in(partition, records)]

    def _skip_deleted(self, reader: LogReader, key: tuple[str, int]) -> None:
        low = read_logs(self._admin, [key])[key].low
        log.warning("letters of %s-%d before offset %d were deleted: they are not replayed", *key, low)
        reader.forget([key])
        reader.follow([(*key, low)])

    def _require_end(self, partition: int, reached: int, end: int) -> None:
        """Raise ReplayFailed where a log ends before it did when the replay began."""
        if reached >= end:
            return
        key = (self.topic, partition)
        high = read_logs(self._admin, [key])[key].high
        if high < end:
            raise ReplayFailed(
                f"{self.topic}-{partition} ends at {high}, and ended at {end} when the replay began: the "
                "topic was created again. Make a new replay"
            )

    def max_bytes(self, topic: str, usual: int) -> int:
        """Return how large a batch of a topic may be; `usual`: where the brokers do not tell."""
        return topic_setting(self._admin, topic, "max.message.bytes") or usual
