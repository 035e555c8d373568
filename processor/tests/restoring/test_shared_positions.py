"""One log of positions, read for the tasks of several stages, on a real broker."""

from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.eventually import eventually
from clickstream_local.testing.fixtures import Topics
from clickstream_processor.kafka.log_reader import LogReader
from clickstream_processor.restoring.positions import PositionLogs
from clickstream_processor.task_id import TaskId, clicks_task
from confluent_kafka import Consumer, Producer

CLICKS, METRICS = clicks_task(0), TaskId("metrics", 0)


class Log:
    """A positions topic and its reader."""

    def __init__(self, kafka: Kafka, topics: Topics) -> None:
        self.topic = topics.create(topics.unique("positions"))
        self._producer = Producer({"bootstrap.servers": kafka.bootstrap, "enable.idempotence": True})
        options = {"bootstrap.servers": kafka.bootstrap, "group.id": self.topic, "enable.partition.eof": True}
        self.reader = LogReader(lambda: Consumer(options))
        self.positions = PositionLogs(self.topic, self.reader)
        self.offsets: list[int] = []  # of what was read

    def write(self, count: int) -> None:
        for _ in range(count):
            self._producer.produce(self.topic, b"{}", b"clicks-0", 0)
        assert self._producer.flush(30) == 0

    def read_to(self, end: int) -> list[int]:
        """Return the offsets read until the end of the log is reached there."""
        self.offsets = []
        eventually(lambda: self._reached() == end, f"read to {end}")
        return self.offsets

    def _reached(self) -> int | None:
        batch = self.reader.read(100, 0.2)
        self.offsets += [message.offset() for message in batch.records.get((self.topic, 0), [])]
        return batch.reached.get((self.topic, 0))


def test_what_others_have_read_is_read_again_for_a_task_that_looks_further_back(
    kafka: Kafka, topics: Topics
) -> None:
    log = Log(kafka, topics)
    log.write(20)
    log.positions.read_for(CLICKS, 4)
    assert log.read_to(20) == list(range(4, 20))
    log.positions.read_for(METRICS, 12)
    assert log.read_to(20) == list(range(12, 20))
    assert log.positions.reads_for(CLICKS)
    log.positions.read_for(METRICS, 0)
    assert log.read_to(20) == list(range(20))


def test_a_log_is_read_until_the_last_task_has_left_it(kafka: Kafka, topics: Topics) -> None:
    log = Log(kafka, topics)
    log.positions.read_for(CLICKS, 0)
    log.positions.read_for(METRICS, 0)
    log.positions.leave(CLICKS)
    assert not log.positions.reads_for(CLICKS)
    log.write(3)
    log.offsets = []
    eventually(lambda: log._reached() == 3 or len(log.offsets) == 3, "read for the one that is left")
    assert log.offsets == [0, 1, 2]
    log.positions.leave(METRICS)
    assert log.reader.next_of((log.topic, 0)) is None
