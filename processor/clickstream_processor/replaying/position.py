"""A replay's position in Kafka: offsets of a consumer group of its own, which only transactions move.

The group `<id>-replay-<uid>` has an offset for each partition of the dead letters, with its Progress as
metadata. For each partition of the clicks topic to which a click was sent, it has that of the click after it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from confluent_kafka import Consumer, Producer, TopicPartition

from clickstream_processor.kafka import client
from clickstream_processor.replaying.progress import Progress, read_progress
from clickstream_processor.settings.settings import Settings

TRY_S = 20.0


@dataclass(slots=True)
class Position:
    """Where a replay is. Dead letters by partition: the next offset, and what was done before it."""

    next_offsets: dict[int, int] = field(default_factory=dict)
    parts: dict[int, Progress] = field(default_factory=dict)
    sent: dict[int, int] = field(default_factory=dict)  # partition of the clicks -> offset after the last one


class Positions:
    """Reads and writes it. Used by one thread."""

    def __init__(self, settings: Settings, uid: str) -> None:
        self._letters, self._clicks = settings.topics.dead_letters, settings.topics.clicks
        self._clicks_partitions = settings.topics.partitions
        self.name = f"{settings.id}-replay-{uid}"  # of the group, and the transactional id
        self._consumer: Consumer = client.make_consumer(
            settings, "replay-position", **{"group.id": self.name}
        )

    def read(self, partitions: int) -> Position | None:
        """Return the committed position, None where the replay has not begun.

        `partitions`: of the dead letters. Waits for transactions that are about to end. Raises
        KafkaException, ReplayFailed.
        """
        wanted = [TopicPartition(self._letters, number) for number in range(partitions)]
        wanted += [TopicPartition(self._clicks, number) for number in range(self._clicks_partitions)]
        position = Position()
        for found in self._consumer.committed(wanted, timeout=TRY_S):
            if found.offset < 0:
                continue
            if found.topic == self._letters:
                position.next_offsets[found.partition] = found.offset
                position.parts[found.partition] = read_progress(found.metadata or "")
            else:
                position.sent[found.partition] = found.offset
        return position if position.parts else None

    def write(
        self,
        producer: Producer,
        offsets: Mapping[int, int],
        parts: Mapping[int, Progress],
        sent: Mapping[int, int],
    ) -> None:
        """Write what has changed, in the producer's open transaction. Raises KafkaException."""
        moved = [
            TopicPartition(self._letters, number, offset, parts[number].encode())
            for number, offset in offsets.items()
        ]
        moved += [TopicPartition(self._clicks, number, offset) for number, offset in sent.items()]
        producer.send_offsets_to_transaction(moved, self._consumer.consumer_group_metadata(), TRY_S)

    def close(self) -> None:
        """Close the connection."""
        self._consumer.close()
