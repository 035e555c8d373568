"""The broker that the suites run on keeps its promises."""

import pytest
from clickstream_local.parts.kafka import Kafka
from clickstream_local.pipeline.reading import end_offsets
from clickstream_local.testing.fixtures import Topics
from confluent_kafka import Producer


def write(kafka: Kafka, topic: str, count: int) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "enable.idempotence": True, "acks": "all"})
    for number in range(count):
        producer.produce(topic, str(number))
    assert producer.flush(180) == 0


def test_records_survive_a_kill_and_the_address_stays(kafka: Kafka, topics: Topics) -> None:
    topic = topics.create(topics.unique("kept"))
    write(kafka, topic, 10)
    kafka.kill()
    assert not kafka.is_running()
    kafka.start()
    assert end_offsets(kafka.bootstrap, topic, timeout_s=180) == {0: 10}


@pytest.mark.long
def test_three_brokers_take_records_while_one_is_down(three_brokers: Kafka) -> None:
    topics = Topics(three_brokers)
    topic = topics.create(topics.unique("replicated"), min_insync_replicas="2")
    three_brokers.kill(2)
    write(three_brokers, topic, 10)
    assert topics.end_offsets(topic) == {0: 10}
