"""The controller's pen: writes the assignment in transactions that shut out every earlier writer (R15)."""

import time
from collections.abc import Iterable
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from clickstream_operator.assignment.errors import Superseded, Unreachable, explained
from clickstream_operator.assignment.records import Assignment, Claim, encode

TRANSACTION_TIMEOUT_S = 30.0  # R7: 10 s collides with the broker's session of 9 s
SLOW_COMMIT_S = 0.75  # R18
INIT_TIMEOUT_S = 10.0  # then again: a controller that is told to end must not wait for Kafka
_FENCED = (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, 90)  # 90: PRODUCER_FENCED


class ControlWriter:
    """Writes the assignment in transactions of `<id>-controller`; a newer writer shuts this one out (R15)."""

    def __init__(self, config: dict[str, Any], pipeline_id: str) -> None:
        """Fence earlier controllers. Raises Unreachable."""
        self._topic = f"{pipeline_id}-assignment"
        self._producer = Producer(
            {
                **config,
                "transactional.id": f"{pipeline_id}-controller",
                "transaction.timeout.ms": int(TRANSACTION_TIMEOUT_S * 1_000),
                "retry.backoff.ms": 1_000,
                "retry.backoff.max.ms": 1_000,
                "linger.ms": 0,
            }
        )
        self.doubtful = False  # R18: its last commit may have been sent twice; make a new writer
        try:
            self._producer.init_transactions(INIT_TIMEOUT_S)
        except KafkaException as error:
            raise Unreachable(f"the controller's producer cannot start: {explained(error)}") from error

    def publish(self, records: Iterable[Claim | Assignment]) -> None:
        """Write the records, all or none. Raises Superseded, or Unreachable when the outcome is unknown.

        After either the writer is of no more use.
        """
        try:
            self._producer.begin_transaction()
            for record in records:
                key, value = encode(record)
                self._producer.produce(self._topic, value, key, 0)
            if self._producer.flush(TRANSACTION_TIMEOUT_S):
                raise Unreachable("the brokers did not take the assignment in time")
            began_s = time.monotonic()
            self._producer.commit_transaction(TRANSACTION_TIMEOUT_S)
        except (KafkaException, BufferError) as error:
            if isinstance(error, KafkaException) and error.args[0].code() in _FENCED:
                raise Superseded(f"another controller has taken over: {explained(error)}") from error
            reason = explained(error) if isinstance(error, KafkaException) else str(error)
            raise Unreachable(f"the assignment may not be written: {reason}") from error
        self.doubtful = time.monotonic() - began_s >= SLOW_COMMIT_S
