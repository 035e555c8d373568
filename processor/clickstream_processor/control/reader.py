"""Reads both control topics from their beginning, and knows how far it has read."""

import logging

from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, Message, TopicPartition

from clickstream_processor.kafka.client import make_consumer
from clickstream_processor.settings.settings import Settings

log = logging.getLogger(__name__)

_POLL_S = 0.02
_ASK_S = 2.0  # bound of a question for the end of a topic; heartbeats wait for it


class ControlReader:
    """One consumer. Used by the control thread only: the client lets one thread at a time into a consumer."""

    def __init__(self, settings: Settings) -> None:
        self._consumer = make_consumer(settings, "control", **{"auto.offset.reset": "earliest"})
        self._partitions = [
            TopicPartition(topic, 0) for topic in (settings.assignment_topic, settings.acks_topic)
        ]
        self._read = {partition.topic: 0 for partition in self._partitions}  # next offset

    def start(self) -> None:
        """Begin with the first record of each topic."""
        self._consumer.assign(
            [TopicPartition(tp.topic, tp.partition, OFFSET_BEGINNING) for tp in self._partitions]
        )

    def poll(self) -> list[Message]:
        """Return what has come, ends of partitions included; waits 20 ms for the first."""
        first = self._consumer.poll(_POLL_S)
        more: list[Message] = self._consumer.consume(1_000, 0)
        messages = more if first is None else [first, *more]
        return [message for message in messages if not _is_trouble(message)]

    def passed(self, topic: str, offset: int) -> None:
        """Note what is taken in: all before an offset. The end of a partition passes control records."""
        self._read[topic] = offset

    def has_read(self, topic: str, end: int) -> bool:
        """Tell whether a topic is taken in up to an offset."""
        return self._read[topic] >= end

    def end_of(self, topic: str) -> int | None:
        """Return the last stable offset as of now, None when no broker tells it in time."""
        try:
            offsets = self._consumer.get_watermark_offsets(TopicPartition(topic, 0), _ASK_S, cached=False)
        except KafkaException as error:
            log.debug("end of %s: %s", topic, error)
            return None
        return offsets[1] if offsets is not None else None

    def close(self) -> None:
        """Close the consumer."""
        self._consumer.close()


def _is_trouble(message: Message) -> bool:
    """Tell whether this is what the client says of its connections, and log it."""
    error = message.error()
    if error is None or error.code() == KafkaError._PARTITION_EOF:
        return False
    log.warning("reading the control topics: %s", error)
    return True
