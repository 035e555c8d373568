"""Writes an erasure where pods and readers of compacted topics meet it: its records, and tombstones."""

from collections.abc import Mapping, Sequence

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from clickstream_processor.kafka.client import connection
from clickstream_processor.kafka.partitioner import partition_of
from clickstream_processor.settings.settings import Settings
from clickstream_processor.topology.erasing import MAX_KEYS, body_of, header_of

TRY_S = 30.0


class ErasureWriter:
    """One idempotent producer. Used by one thread; its methods raise KafkaException."""

    def __init__(self, settings: Settings, name: str) -> None:
        """`name`: of the erasure."""
        self._partitions = settings.topics.partitions
        self._header = header_of(settings.id, name)
        self._producer = Producer(
            connection(settings, "erasing")
            | {"enable.idempotence": True, "message.timeout.ms": int(TRY_S * 1_000)}
        )
        self._ends: dict[int, int] = {}
        self._refused: KafkaError | None = None

    def erase(self, topic: str, users: Mapping[bytes, Sequence[bytes]]) -> dict[int, int]:
        """Write records that name users, with keys of theirs; return where they end, by partition."""
        self._ends = {}
        for user, keys in users.items():
            for at in range(0, len(keys) or 1, MAX_KEYS):
                self._send(
                    topic, body_of(keys[at : at + MAX_KEYS]), user, partition_of(user, self._partitions)
                )
        self._flush()
        return self._ends

    def delete(self, topic: str, keys: Mapping[int, Sequence[bytes]]) -> None:
        """Write tombstones for keys, by partition."""
        for partition, found in keys.items():
            for key in found:
                self._send(topic, None, key, partition)
        self._flush()

    def _send(self, topic: str, value: bytes | None, key: bytes, partition: int) -> None:
        headers = None if value is None else [self._header]
        while True:
            try:
                self._producer.produce(topic, value, key, partition, self._delivered, headers=headers)
            except BufferError:
                self._producer.poll(0.1)
            else:
                return

    def _flush(self) -> None:
        left, refused = self._producer.flush(TRY_S), self._refused
        self._refused = None
        if left or refused is not None:
            raise KafkaException(refused or KafkaError(KafkaError._TIMED_OUT, "the brokers took too long"))

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._refused = self._refused or error
            return
        partition, offset = message.partition(), message.offset()
        if partition is not None and offset is not None:
            self._ends[partition] = max(self._ends.get(partition, 0), offset + 1)
