"""Records to Kafka: `send` returns once all in-sync replicas have them, and raises otherwise.

Everything happens on the event loop. The client has threads of its own; what they have to say is asked for
with `poll`, each two milliseconds while records are under way. So no lock and no other thread is needed, and
the callbacks of hundreds of records cost one turn of the loop.

Kafka is *away* from the first sign of it: no broker is connected, or nothing was acknowledged for `STALL_S`
while records wait. From then on `send` refuses at once, until a broker answers a question about the topics.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from clickstream_collector.errors import KafkaAway, RecordRefused
from clickstream_collector.metrics import KAFKA_AVAILABLE, QUEUED, UNDELIVERED

log = logging.getLogger("clickstream_collector.kafka")

STALL_S = 3.0
_BUSY_POLL_S, _IDLE_POLL_S = 0.002, 0.1
_PROBE_EVERY_S, _PROBE_TIMEOUT_S = 0.5, 2.0

_NEVER = (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD)  # a record's fault, not a passing trouble

Record = tuple[str, bytes | None, bytes, Sequence[tuple[str, str | bytes | None]] | None]
"""Topic, key, value, headers."""


class _Receipt:
    """Waits for the acknowledgements of one request's records."""

    __slots__ = ("_delivery", "done", "error", "left")

    def __init__(self, records: int, delivery: "Delivery") -> None:
        self.left = records
        self.done: asyncio.Future[None] = delivery.loop.create_future()
        self.error: KafkaError | None = None
        self._delivery = delivery

    def report(self, error: KafkaError | None, _: Message) -> None:
        """Take one acknowledgement."""
        if error is None:
            self._delivery.acknowledged += 1
        else:
            self.error = error
            self._delivery.failed_one(error)
        self.left -= 1
        if self.left <= 0 and not self.done.done():
            self.done.set_result(None)


class Delivery:
    """The producer of one process. `start`, then `send` from any task, then `close`."""

    def __init__(self, config: dict[str, Any], topics: Iterable[str]) -> None:
        self._topics = tuple(topics)
        self._producer = Producer(config | {"error_cb": self._on_error})
        self._capacity = int(config["queue.buffering.max.messages"])
        self.acknowledged = 0
        self._progress_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._prober: asyncio.Task[None] | None = None
        self._last_words = ""  # why a broker, or the endpoint of tokens, does not take this client
        self.away: str | None = "no broker has answered yet"
        self.failed = asyncio.Event()  # the producer can go on no more: end this process
        KAFKA_AVAILABLE.set_function(lambda: self.away is None)
        QUEUED.set_function(self._producer.__len__)
        UNDELIVERED.labels("_MSG_TIMED_OUT")  # told as 0 until there is one

    def start(self) -> None:
        """Begin to look for Kafka."""
        self.loop = asyncio.get_running_loop()
        self._progress_s = self.loop.time()
        self._timer = self.loop.call_later(0, self._poll)
        self._prober = asyncio.create_task(self._probe())

    async def send(self, records: Sequence[Record]) -> None:
        """Write the records; return once they are acknowledged.

        Raises KafkaAway, and RecordRefused; some of the records may be written then.
        """
        if not records:
            return
        if self.away is not None:
            raise KafkaAway(self.away)
        producer = self._producer
        queued = len(producer)
        if queued + len(records) > self._capacity:
            raise KafkaAway("the queue is full")
        if not queued:
            self._progress_s = self.loop.time()
        receipt = _Receipt(len(records), self)
        self._produce(records, receipt)
        self._poll_soon()
        await receipt.done  # or its failure: the client gives a record up after `message.timeout.ms`
        if receipt.error is not None:
            refused = receipt.error.code() in _NEVER
            raise (RecordRefused if refused else KafkaAway)(receipt.error.name())

    def _produce(self, records: Sequence[Record], receipt: _Receipt) -> None:
        produce, report = self._producer.produce, receipt.report
        begun = 0
        try:
            for topic, key, value, headers in records:
                if headers is None:
                    produce(topic, value, key, on_delivery=report)
                else:
                    produce(topic, value, key, on_delivery=report, headers=list(headers))
                begun += 1
        except (BufferError, KafkaException) as error:
            UNDELIVERED.labels("_QUEUE_FULL" if isinstance(error, BufferError) else "refused").inc(
                len(records) - begun
            )
            if isinstance(error, BufferError):
                raise KafkaAway("the queue is full") from error
            refused = error.args[0].code() in _NEVER
            raise (RecordRefused if refused else KafkaAway)(error.args[0].name()) from error

    def _poll_soon(self) -> None:
        if self._timer is not None and self._timer.when() - self.loop.time() > _BUSY_POLL_S:
            self._timer.cancel()
            self._timer = self.loop.call_later(_BUSY_POLL_S, self._poll)

    def _poll(self) -> None:
        """Hear what the client has to say, and come back."""
        before = self.acknowledged
        self._producer.poll(0)
        left = len(self._producer)
        now_s = self.loop.time()
        if self.acknowledged > before or not left:
            self._progress_s = now_s
        elif now_s - self._progress_s > STALL_S:
            self._set_away("nothing was acknowledged for some seconds")
        self._timer = self.loop.call_later(_BUSY_POLL_S if left else _IDLE_POLL_S, self._poll)

    def failed_one(self, error: KafkaError) -> None:
        """Note a record that was not delivered."""
        UNDELIVERED.labels(error.name()).inc()
        if error.code() == KafkaError._MSG_TIMED_OUT:
            self._set_away("records were not acknowledged in time")

    def _on_error(self, error: KafkaError) -> None:
        log.warning("client: %s", error.str())
        if error.fatal():
            self._set_away(error.str())
            self.failed.set()
        elif error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._set_away("no broker is connected")
        else:
            self._last_words = error.str()

    def _set_away(self, why: str) -> None:
        if self.away is None:
            log.warning("Kafka is away: %s", why)
        self.away = why

    async def _probe(self) -> None:
        """While Kafka is away, ask for the topics; it is back when all of them have leaders."""
        while True:
            if self.away is not None and not self.failed.is_set():
                why = await asyncio.to_thread(self._missing)
                if why is None and self._is_stalled():
                    why = "nothing was acknowledged for some seconds"
                if why is None:
                    self._last_words = ""
                    log.info("Kafka takes records")
                self.away = why
            await asyncio.sleep(_PROBE_EVERY_S)

    def _is_stalled(self) -> bool:
        return len(self._producer) > 0 and self.loop.time() - self._progress_s > STALL_S

    def _missing(self) -> str | None:
        """Return why the topics cannot be written; None when they can."""
        for name in self._topics:
            try:
                topic = self._producer.list_topics(name, timeout=_PROBE_TIMEOUT_S).topics[name]
            except KafkaException as error:
                why = f": {self._last_words}" if self._last_words else ""
                return f"no broker answers: {error.args[0].name()}{why}"
            if topic.error is not None or not topic.partitions:
                return f"topic {name}: {topic.error.name() if topic.error else 'no partitions'}"
            if any(partition.leader < 0 for partition in topic.partitions.values()):
                return f"topic {name}: a partition has no leader"
        return None

    async def close(self, flush_s: float) -> int:
        """Let what is queued go out; return the number of records that did not."""
        if self._prober is not None:
            self._prober.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._prober
        deadline_s = self.loop.time() + flush_s
        while len(self._producer) and self.loop.time() < deadline_s:
            self._producer.poll(0)
            await asyncio.sleep(_BUSY_POLL_S)
        if self._timer is not None:
            self._timer.cancel()
        return len(self._producer)
