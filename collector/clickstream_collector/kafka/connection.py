"""The configuration of the producer; what is no default of the client has its reason."""

import logging
from typing import Any

from clickstream_collector.kafka.security import security
from clickstream_collector.settings import KafkaSettings

log = logging.getLogger("clickstream_collector.kafka")


def producer_config(kafka: KafkaSettings) -> dict[str, Any]:
    """Return the client's configuration. Raises InvalidSettings when a mounted file cannot be read."""
    return {
        "bootstrap.servers": kafka.bootstrap_servers,
        "client.id": kafka.client_id,
        "logger": log,
        # The promise: an answer of success is for what all in-sync replicas have, once and in order.
        "acks": "all",
        "enable.idempotence": True,
        "partitioner": "murmur2_random",  # a click in any other partition is a dead letter
        "compression.type": kafka.compression,
        # A client waits for its answer: a few ms for a larger batch, and an end to waiting. The client that
        # was told 503 sends again, so what is still queued then must not be kept for long.
        "linger.ms": 5,
        "message.timeout.ms": int(kafka.delivery_s * 1_000),
        "topic.metadata.propagation.max.ms": 5_000,
        "queue.buffering.max.messages": kafka.queue_records,
        "queue.buffering.max.kbytes": kafka.queue_bytes // 1_024,
        "reconnect.backoff.ms": 100,
        "reconnect.backoff.max.ms": 2_000,
        "socket.keepalive.enable": True,
        # ADR 0059: a client that connects only where it must was seen to find no leader after an outage.
        "enable.sparse.connections": False,
        **security(kafka),
    }
