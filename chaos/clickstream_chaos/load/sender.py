"""Sends odd records as a careless producer would: any codec, any size, one at a time."""

import random

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from clickstream_chaos.load.odd import Odd, odd_record

MAX_BYTES = 16_000_000  # of the client; the broker may take less
BROKER_BYTES = 1_048_588  # Kafka's default max.message.bytes
STEP = 4
REFUSALS = (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD, KafkaError.INVALID_TIMESTAMP)


class OddSender:
    """One producer a codec, made when it is needed."""

    def __init__(self, bootstrap: str, topic: str, partitions: int) -> None:
        self._bootstrap, self._topic, self._partitions = bootstrap, topic, partitions
        self._producers: dict[str, Producer] = {}

    def send(self, chance: random.Random, name: str, event_ms: int) -> bool:
        """Send one record of a kind; return whether the broker has taken it. Raises KafkaException."""
        odd = odd_record(chance, name, event_ms, self._partitions)
        if name != "as-large-as-may-be":
            return self.deliver(odd)
        shell = odd.value or b""
        for size in range(BROKER_BYTES - 40, BROKER_BYTES - 400, -STEP):
            odd.value = shell.replace(b'"pad": ""', b'"pad": "%s"' % (b"x" * (size - len(shell))))
            if self.deliver(odd):
                return True
        return False

    def deliver(self, odd: Odd) -> bool:
        """Return False where the broker refuses a record of that size or time."""
        errors: list[KafkaError] = []

        def report(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                errors.append(error)

        producer = self._producer(odd.codec)
        partition = -1 if odd.partition is None else odd.partition
        headers: list[tuple[str, str | bytes | None]] = [*odd.headers]
        producer.produce(
            self._topic, odd.value, odd.key, partition, report, timestamp=odd.record_ms, headers=headers
        )
        producer.flush()
        for error in errors:
            if error.code() not in REFUSALS:
                raise KafkaException(error)
        return not errors

    def _producer(self, codec: str) -> Producer:
        if codec not in self._producers:
            self._producers[codec] = Producer(
                {
                    "bootstrap.servers": self._bootstrap,
                    "log_level": 0,
                    "partitioner": "murmur2_random",
                    "compression.type": codec,
                    "message.max.bytes": MAX_BYTES,
                    "message.timeout.ms": 120_000,
                }
            )
        return self._producers[codec]
