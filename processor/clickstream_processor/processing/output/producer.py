"""The pod's one transactional producer (R11): made, initialised, lent to the tasks' outputs, given up.

A producer that an error has met is given up and never asked again (R7): the next one's initialisation aborts
what it has open.
"""

import logging
import threading
import time
from collections.abc import Callable
from functools import partial

from confluent_kafka import KafkaError, KafkaException, Producer

from clickstream_processor import metrics
from clickstream_processor.errors import TransactionFailed
from clickstream_processor.kafka import client
from clickstream_processor.kafka.client import CLIENT_ERRORS
from clickstream_processor.kafka.watchdog import Watchdog
from clickstream_processor.processing.output.delivery import produce_reporting
from clickstream_processor.processing.output.letters import FRAME_BYTES
from clickstream_processor.processing.output.task_outputs import TaskOutputs
from clickstream_processor.settings.settings import Settings
from clickstream_processor.stages.stage import Stages
from clickstream_processor.topology.records.codec import MAX_KEY_BYTES

log = logging.getLogger(__name__)

INIT_TRY_S = 5.0  # one wait for init_transactions, which goes on in the client between the waits
INIT_TRIES = 12  # then another client tries (ADR 0059)
REFUSALS_WAIT_S = 1.0  # for the delivery reports of a careful transaction that failed


class PodProducer:
    """The producer, one after another. Used by the worker's thread only."""

    def __init__(
        self, settings: Settings, stages: Stages, watchdog: Watchdog, max_bytes: Callable[[str], int]
    ) -> None:
        """`max_bytes` tells what a topic takes."""
        self._settings = settings
        self._stages = stages.values()
        self._watchdog = watchdog
        self._max_bytes = max_bytes
        self.current: Producer | None = None  # initialised, fit for use
        self.careful = False  # it sends each record alone, so that a refusal names one
        self._next: Producer | None = None  # being initialised
        self._tries = 0  # of it

    def initialise(self, cause: str, *, careful: bool) -> bool:
        """Take one step towards a new producer; return True when it is there. Blocks 5 s at most."""
        self.give_up()
        try:
            if self._next is None:
                self._next = client.make_transactional_producer(
                    self._settings,
                    self._settings.pod.ordinal,
                    batch_bytes=self._batch_bytes(),
                    batch_records=1 if careful else client.BATCH_RECORDS,
                )
                self.careful, self._tries = careful, 0
                metrics.PRODUCERS.labels(cause).inc()
            with self._watchdog.guard("init_transactions", client.TRANSACTION_TIMEOUT_S):
                self._next.init_transactions(INIT_TRY_S)
        except CLIENT_ERRORS as error:
            log.warning("transactional producer not initialised yet: %s", error)
            self._tries += 1
            if not _goes_on(error) or self._tries >= INIT_TRIES:
                _drop(self._next)
                self._next = None
                time.sleep(0.2)
            return False
        self.current, self._next = self._next, None
        return True

    def bind(self, outputs: TaskOutputs, *, careful: bool = False) -> None:
        """Let a task's outputs go through this producer; `careful`: each reports a refusal."""
        if self.current is None:
            raise TransactionFailed("there is no producer")
        produce = self.current.produce
        if careful:
            produce = partial(produce_reporting, produce, outputs)
        outputs.bind(produce, self._settings.topics, self._max_bytes, careful=careful)

    def output_bytes(self) -> int:
        """Return how large an enriched click may be."""
        return self._max_bytes(self._settings.topics.enriched) - FRAME_BYTES - MAX_KEY_BYTES

    def hear_refusals(self) -> None:
        """After a failure: let the delivery reports come that say which records were refused."""
        if self.current is None:
            return
        try:
            self.current.purge(in_queue=True, in_flight=False, blocking=False)
            self.current.flush(REFUSALS_WAIT_S)
        except CLIENT_ERRORS as error:
            log.debug("delivery reports of a failed transaction: %s", error)

    def give_up(self) -> None:
        """Let go of the producer."""
        if self.current is not None:
            _drop(self.current)
        self.current = None

    def close(self) -> None:
        """Let go of everything at the end of the process."""
        self.give_up()
        self._next = None

    def _batch_bytes(self) -> int:
        """Return how large a batch may be: no topic refuses records for the company they come in."""
        outputs = {topic for stage in self._stages for topic in stage.outputs}
        outputs |= {stage.changelog for stage in self._stages if stage.changelog is not None}
        return min(client.BATCH_BYTES, *(self._max_bytes(topic) for topic in outputs))


def _goes_on(error: BaseException) -> bool:
    """Tell whether init_transactions goes on in the client and is to be awaited again."""
    cause = error.args[0]
    return isinstance(cause, KafkaError) and cause.retriable() and not cause.fatal()


def _drop(producer: Producer | None) -> None:
    """Destroy a producer on a thread of its own: that may take as long as its connections do."""
    if producer is None:
        return
    try:
        producer.purge(in_queue=True, in_flight=True, blocking=False)
    except KafkaException as error:
        log.debug("purge: %s", error)
    threading.Thread(target=_destroy, args=([producer],), name="drop-producer", daemon=True).start()


def _destroy(last: list[Producer]) -> None:
    last.clear()
