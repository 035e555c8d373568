"""Kafka clients of a pod, and the configuration each must have; what is not a default has its reason.

Clients log through `clickstream_processor.kafka`; a password never reaches a log: librdkafka prints none.
"""

import logging
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from clickstream_processor import logs
from clickstream_processor.kafka.security import security
from clickstream_processor.settings.settings import Settings

log = logging.getLogger("clickstream_processor.kafka")
log.addFilter(logs.OnceInAWhile())

# What a call on a producer may raise. SystemError: the client sets the exception of a fatal error (fenced,
# mostly) inside a callback, and the next callback of the same call finds it there.
CLIENT_ERRORS = (KafkaException, BufferError, SystemError)
# R7: 10 s collides with the broker's session time-out of 9 s.
TRANSACTION_TIMEOUT_S = 30.0
# R11: an end of input is seen at most this late, and a quiet broker is asked 20 times a second.
FETCH_WAIT_MS = 50
# A partition whose prefetch is full is not fetched for so long. The default, 1 s, starves a consumer that
# takes more than `queued.min.messages` a second: full ingest spent a third of its time waiting for input.
FETCH_QUEUE_BACKOFF_MS = 20
# Bound of the prefetched input of one consumer; librdkafka's 64 MiB would be a sixth of a small pod, twice.
PREFETCH_KIB = 16 * 1024
# A batch, unless a topic takes less: one that is too large is refused with all that is in it.
BATCH_BYTES = 1_000_000
BATCH_RECORDS = 10_000
# Topics may allow larger records than the client's default of 1 MB: the brokers decide.
MAX_MESSAGE_BYTES = 64 * 1024 * 1024


def connection(settings: Settings, client: str) -> dict[str, Any]:
    """Return what every client needs; credentials come from mounted files. Raises InvalidSettings."""
    kafka = settings.kafka
    config: dict[str, Any] = {
        "bootstrap.servers": kafka.bootstrap_servers,
        "client.id": f"{settings.id}-{settings.pod.ordinal}-{client}",
        "logger": log,
        "error_cb": _log_error,
        # A pod must find its brokers again soon after an outage, whatever its length. A client that goes back
        # to the bootstrap addresses retries at half the first value forever.
        "reconnect.backoff.ms": 500,
        "reconnect.backoff.max.ms": 2_000,
        "socket.keepalive.enable": True,
        # ADR 0059: a client that connects only where it must has been seen, after an outage of all brokers,
        # with no connection, no wish for one, and its partitions without a leader, forever.
        "enable.sparse.connections": False,
    }
    return config | security(settings)


def make_consumer(settings: Settings, client: str, **more: Any) -> Consumer:
    """Return a consumer for `assign()`: committed records only, never a position of its own choice."""
    config = connection(settings, client) | {
        "group.id": settings.id,  # for lag tools; nothing depends on group offsets (R5)
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "isolation.level": "read_committed",
        "auto.offset.reset": "error",  # a position outside the log stops the task, it is never replaced
        "enable.partition.eof": True,  # R10: the position at the end passes control and aborted records
        "fetch.wait.max.ms": FETCH_WAIT_MS,
        "fetch.error.backoff.ms": 100,
        "queued.max.messages.kbytes": PREFETCH_KIB,
        "fetch.message.max.bytes": 1 << 20,
        "queued.min.messages": 50_000,
        "fetch.queue.backoff.ms": FETCH_QUEUE_BACKOFF_MS,
    }
    return Consumer(config | more)


def make_transactional_producer(
    settings: Settings,
    ordinal: int,
    client: str = "outputs",
    *,
    batch_bytes: int = BATCH_BYTES,
    batch_records: int = BATCH_RECORDS,
    transactional_id: str = "",
) -> Producer:
    """Return a producer with the transactional id of a pod: its own, or a former owner's to be fenced.

    `transactional_id`: of who is no pod.
    """
    config = connection(settings, client) | {
        "transactional.id": transactional_id or f"{settings.id}-{ordinal}",
        "transaction.timeout.ms": int(TRANSACTION_TIMEOUT_S * 1_000),
        # R18: an EndTxn lost with its connection is retried no sooner than this: a commit that took less than
        # 750 ms was not retried, and cannot hit the next transaction.
        "retry.backoff.ms": 1_000,
        "retry.backoff.max.ms": 1_000,
        "partitioner": "murmur2_random",
        "linger.ms": 5,  # the flush of a commit does not wait for it
        "batch.num.messages": batch_records,
        "batch.size": batch_bytes,
        "compression.type": settings.topics.compression,
        "message.max.bytes": MAX_MESSAGE_BYTES,
        # No BufferError in the hot loop: the worker bounds what is in flight, between chunks.
        "queue.buffering.max.messages": 2_000_000,
        "queue.buffering.max.kbytes": 2_097_151,
    }
    return Producer(config)


def make_plain_producer(settings: Settings, client: str) -> Producer:
    """Return a producer without transactions, for a record that a person has written."""
    return Producer(connection(settings, client) | {"enable.idempotence": True})


def make_admin(settings: Settings, client: str) -> AdminClient:
    """Return an admin client: ends of logs, topic configurations, signs of life."""
    # A leader's epoch grows when its broker restarts, and list_offsets takes it from the cached metadata: for
    # minutes it would be refused with FENCED_LEADER_EPOCH, and nothing could be restored.
    return AdminClient(connection(settings, client) | {"metadata.max.age.ms": 3_000})


def _log_error(error: KafkaError) -> None:
    """Note what librdkafka says of its connections; it recovers by itself, so a warning is enough."""
    log.warning("client: %s", error.str())
