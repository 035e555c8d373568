"""Sends clicks in transactions, each with the replay's position: both are there, or neither."""

import logging
import time
from collections.abc import Mapping
from threading import Event

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from clickstream_processor.errors import ReplayFailed
from clickstream_processor.faults import Faults
from clickstream_processor.kafka import client
from clickstream_processor.replaying.click_again import ClickAgain
from clickstream_processor.replaying.position import Positions
from clickstream_processor.replaying.progress import Progress
from clickstream_processor.settings.settings import Settings

log = logging.getLogger(__name__)
TRY_S = 30.0
INIT_S = 60.0


class Sender:
    """One transactional producer. Any error ends it; the next one's start aborts what it has open."""

    def __init__(self, settings: Settings, positions: Positions, faults: Faults, stop: Event) -> None:
        """Fence a former process of this replay. Raises KafkaException, ReplayFailed where `stop` is set."""
        self._topic = settings.topics.clicks
        self._positions, self._faults = positions, faults
        self._producer: Producer = client.make_transactional_producer(
            settings, settings.pod.ordinal, "replay", transactional_id=positions.name
        )
        self._sent: dict[int, int] = {}  # partition -> offset after the last click, of this transaction
        self._refused: KafkaError | None = None
        self._initialise(stop)

    def begin(self) -> None:
        """Open a transaction."""
        self._sent, self._refused = {}, None
        self._producer.begin_transaction()
        self._faults.reach("after-begin")

    def send(self, click: ClickAgain) -> None:
        """Send a click in the open transaction."""
        self._producer.produce(
            self._topic,
            click.value,
            click.key,
            click.partition,
            on_delivery=self._delivered,
            timestamp=click.timestamp_ms,
            headers=list(click.headers),
        )
        self._faults.reach("mid")

    def commit(self, offsets: Mapping[int, int], parts: Mapping[int, Progress]) -> dict[int, int]:
        """Commit clicks and position; return where the clicks end, by partition. Raises KafkaException."""
        if self._producer.flush(TRY_S):
            raise KafkaException(
                KafkaError(KafkaError._TIMED_OUT, "the brokers did not take the clicks in time")
            )
        if self._refused is not None:
            raise KafkaException(self._refused)
        self._faults.reach("after-flush")
        self._positions.write(self._producer, offsets, parts, self._sent)
        self._producer.commit_transaction(TRY_S)
        self._faults.reach("after-commit")
        return self._sent

    def write(self, offsets: Mapping[int, int], parts: Mapping[int, Progress]) -> None:
        """Write the position alone."""
        self._sent = {}
        self._producer.begin_transaction()
        self._positions.write(self._producer, offsets, parts, {})
        self._producer.commit_transaction(TRY_S)

    def close(self) -> None:
        """Drop what is not sent; what is open ends with the transaction's time-out, or the next start."""
        try:
            self._producer.purge()
        except KafkaException as error:
            log.debug("purge: %s", error)

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._refused = self._refused or error
            return
        partition, offset = message.partition(), message.offset()
        if partition is not None and offset is not None:
            self._sent[partition] = max(self._sent.get(partition, 0), offset + 1)

    def _initialise(self, stop: Event) -> None:
        deadline_s = time.monotonic() + INIT_S
        while True:
            try:
                return self._producer.init_transactions(5.0)
            except KafkaException as error:
                cause = error.args[0]
                if not cause.retriable() or time.monotonic() > deadline_s:
                    raise
                if stop.is_set():
                    raise ReplayFailed("stopped by a signal before it began") from error
                log.warning("transactional producer not initialised yet: %s", error)
