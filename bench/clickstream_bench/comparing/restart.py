"""How soon a system that ended has its state again and commits: killed, and stopped in order.

The state folder stays in place. While the process is down one click is sent to each partition; the time is
from the process' start to the moment a reader of committed records has the first of them enriched, and the
last. Killed comes first: what the process wrote for all users since it began then lies as the kill left it.

Kafka Streams is as by default, which is to stay in its group at the end, even in order: the broker misses
the former member only after the session timeout (45 s), and assigns no partition before. Its times have that.
"""

import signal
import time

from clickstream_local.errors import PartFailed
from clickstream_local.parts.kafka import Kafka
from confluent_kafka import Consumer, TopicPartition

from clickstream_bench.arrived import Arrived
from clickstream_bench.comparing.crowd import Crowd
from clickstream_bench.systems import System, Topics

SETTLE_S = 1.0  # no transaction is open then: the system is at rest
STANDSTILL_S = 600.0


def restart(kafka: Kafka, system: System, topics: Topics, crowd: Crowd) -> dict[str, float]:
    """Let a new system take in the crowd, end it and start it again, both ways; return the times, s."""
    crowd.send()
    reader = Reader(kafka, topics, system)
    found: dict[str, float] = {}
    try:
        system.start()
        reader.read(crowd.clicks)
        for name, end in (("killed", _kill), ("ordered", _stop)):
            time.sleep(SETTLE_S)
            end(system)
            clicks = crowd.click_in_each_partition()
            began_s = time.perf_counter()
            for process in system.processes():
                process.start()
            first_s, last_s = reader.read(clicks)
            found[f"{name}_s"] = round(first_s - began_s, 2)
            found[f"{name}_last_s"] = round(last_s - began_s, 2)
    finally:
        system.stop()
        reader.close()
    arrived = Arrived.of(kafka.bootstrap, topics.enriched, topics.metrics, topics.partitions)
    if wrong := arrived.differences(crowd.clicks):
        raise SystemExit(f"{system.name} wrote something else over restarts: {'; '.join(wrong)}")
    return found


def _kill(system: System) -> None:
    for process in system.processes():
        process.kill()


def _stop(system: System) -> None:
    system.stop()
    for process in system.processes():
        if process.exit_status == -signal.SIGKILL:
            raise PartFailed(process.name, "did not stop in order", process.log, process.tail())


class Reader:
    """Reads a system's committed enriched clicks from the first on, and goes on where it was."""

    def __init__(self, kafka: Kafka, topics: Topics, system: System) -> None:
        self._system = system
        self._consumer = Consumer(
            {
                "bootstrap.servers": kafka.bootstrap,
                "group.id": "restart",
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 20,
            }
        )
        self._consumer.assign([TopicPartition(topics.enriched, p, 0) for p in range(topics.partitions)])

    def read(self, records: int) -> tuple[float, float]:
        """Read so many; return when the first was there and when the last, s. The system must be running."""
        times: list[float] = []
        grown_s = time.perf_counter()
        while len(times) < records:
            message = self._consumer.poll(0.1)
            now_s = time.perf_counter()
            if message is not None and message.error() is None:
                times.append(now_s)
                grown_s = now_s
                continue
            for process in self._system.processes():
                if not process.is_running():
                    status = f"ended with status {process.exit_status}"
                    raise PartFailed(process.name, status, process.log, process.tail())
            if now_s - grown_s > STANDSTILL_S:
                raise TimeoutError(f"{self._system.name} stands still at {len(times)} of {records} records")
        return times[0], times[-1]

    def close(self) -> None:
        """Close the consumer."""
        self._consumer.close()
