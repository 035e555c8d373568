"""The limits of topics are read from the broker, not assumed."""

import time

import pytest
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.eventually import eventually
from clickstream_local.testing.fixtures import Topics
from clickstream_processor.kafka.topic_limits import DEFAULT_MAX_BYTES, EVERY_S, TopicLimits
from confluent_kafka.admin import AdminClient
from processor_support.runtime_rig import set_option


@pytest.fixture
def admin(kafka: Kafka) -> AdminClient:
    return AdminClient({"bootstrap.servers": kafka.bootstrap})


def test_limits_are_read_from_the_topics_and_read_again(admin: AdminClient, topics: Topics) -> None:
    small = topics.create(topics.unique("small"), max_message_bytes="2000")
    usual = topics.create(topics.unique("usual"))
    limits = TopicLimits(admin, [small, usual, "absent"])
    assert limits.max_bytes(small) == DEFAULT_MAX_BYTES  # nothing is known yet, and nothing blocks
    now_s = time.monotonic()
    limits.look(now_s)
    eventually(lambda: limits.look(now_s), "the broker answers")
    assert limits.max_bytes(small) == 2000
    assert limits.max_bytes(usual) == DEFAULT_MAX_BYTES
    assert limits.max_bytes("absent") == DEFAULT_MAX_BYTES
    set_option(admin, small, "max.message.bytes", "3000")
    limits.look(now_s + EVERY_S)
    eventually(lambda: limits.look(now_s + EVERY_S), "the broker answers again")
    assert limits.max_bytes(small) == 3000
