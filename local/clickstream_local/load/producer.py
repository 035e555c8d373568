"""The producer of clicks: what a web shop would run, with the partitioner that the pipeline expects."""

import threading
import time
from collections.abc import Callable

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from clickstream_local.load.traffic import Record, Traffic

TICK_S = 0.05


class ClickProducer:
    """Writes records to the clicks topic. Used by one thread."""

    def __init__(
        self, bootstrap: str, topic: str, on_written: Callable[[int, int], None] | None = None
    ) -> None:
        """`on_written` is told partition and offset of each record, in the thread that sends."""
        self._topic = topic
        self._on_written = on_written
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "partitioner": "murmur2_random",  # Java's; librdkafka's own default is another
                "enable.idempotence": True,
                "message.timeout.ms": 0,  # wait as long as it takes; the default drops after 5 minutes
                "linger.ms": 2,
                "queue.buffering.max.messages": 1_000_000,
                "compression.type": "lz4",
                "log_level": 2,
            }
        )
        self.sent = 0  # handed over
        self.written = 0  # acknowledged by the brokers
        self._error: KafkaError | None = None  # why the last record that was refused was refused

    def send(self, record: Record) -> None:
        """Hand one record over; it waits while the client's queue is full."""
        partition = -1 if record.partition is None else record.partition
        while True:
            try:
                self._producer.produce(self._topic, record.value, record.key, partition, self._report)
                break
            except BufferError:
                self._producer.poll(0.1)
        self.sent += 1
        if self.sent % 100 == 0:
            self._producer.poll(0)

    def _report(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._error = error
            return
        self.written += 1
        partition, offset = message.partition(), message.offset()
        if self._on_written and partition is not None and offset is not None:
            self._on_written(partition, offset)

    def poll(self) -> None:
        """Deliver reports of what was written."""
        self._producer.poll(0)

    def flush(self, timeout_s: float = 60) -> None:
        """Wait until all records are written. Raises KafkaException when some are refused, or not in time."""
        left = self._producer.flush(timeout_s)
        if left:
            raise KafkaException(f"{left} clicks were not written in {timeout_s:.0f} s")
        if self._error is not None:
            raise KafkaException(self._error)


class Stream:
    """Clicks at an even rate, in a thread of its own, until it is stopped."""

    def __init__(self, producer: ClickProducer, traffic: Traffic, rate_per_s: float) -> None:
        self._producer = producer
        self._traffic = traffic
        self.rate_per_s = rate_per_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="clicks", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait until all clicks are written."""
        self._ended.set()
        self._thread.join(60)
        self._producer.flush(10)

    def _run(self) -> None:
        owed = 0.0
        last = time.monotonic()
        while not self._ended.wait(TICK_S):
            now = time.monotonic()
            owed += (now - last) * self.rate_per_s
            last = now
            for _ in range(int(owed)):
                self._producer.send(self._traffic.click(int(time.time() * 1000)))
            owed -= int(owed)
