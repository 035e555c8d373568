"""What was answered with success is in Kafka, whatever ends: the brokers, the collector, or both."""

import contextlib
import http.client
import json
import os
import signal
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from clickstream_local.machine.ports import HOST
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.eventually import eventually
from collector_support import bodies
from collector_support.running import RunningCollector

BATCH = 5


class Senders:
    """Clients that send numbered clicks without end, and note which were answered with success."""

    def __init__(self, collector: RunningCollector, clients: int = 4) -> None:
        self._collector = collector
        self._ended = threading.Event()
        self.answered: list[str] = []
        self.statuses: Counter[int] = Counter()
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(clients)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _run(self, client: int) -> None:
        number = 0
        while not self._ended.is_set():
            connection = http.client.HTTPConnection(HOST, self._collector.port, timeout=180)
            with contextlib.suppress(OSError, http.client.HTTPException):
                while not self._ended.is_set():
                    ids = [f"{client}-{number + each}" for each in range(BATCH)]
                    number += BATCH
                    clicks = [{**bodies.own("user-outage"), "message_id": each} for each in ids]
                    connection.request("POST", "/v1/clicks", json.dumps(clicks), {"X-Write-Key": "wk-4f1c"})
                    response = connection.getresponse()
                    response.read()
                    self.statuses[response.status] += 1
                    if response.status == 200:
                        self.answered += ids
            connection.close()
            self._ended.wait(0.01)  # a closed port: not as fast as one can


@pytest.fixture
def outage(kafka: Kafka, tmp_path: Path) -> Iterator[RunningCollector]:
    with RunningCollector(kafka, tmp_path / "collector", settings={"DELIVERY_SECONDS": "2"}) as running:
        yield running


@pytest.fixture
def senders(outage: RunningCollector) -> Iterator[Senders]:
    found = Senders(outage)
    found.start()
    yield found
    found.end()


def lost(outage: RunningCollector, senders: Senders) -> set[str]:
    """Return the clicks that were answered with success and are not in Kafka."""
    there = {record.value["message_id"] for record in outage.read(outage.clicks)}
    return set(senders.answered) - there


def test_end_in_order_loses_nothing_and_exits_with_0(outage: RunningCollector, senders: Senders) -> None:
    eventually(lambda: len(senders.answered) > 100, "clicks are answered")
    os.kill(outage.process.pid, signal.SIGTERM)
    eventually(lambda: not outage.process.is_running(), "the collector ended")
    senders.end()
    assert outage.process.exit_status == 0
    assert set(senders.statuses) <= {200, 503}
    assert lost(outage, senders) == set()


def test_body_that_comes_after_the_end_has_begun_is_told_to_come_again(outage: RunningCollector) -> None:
    """Not 408: most SDKs drop what got a 4xx."""
    with socket.create_connection((HOST, outage.port), timeout=120) as connection:
        connection.sendall(b"POST /v1/clicks HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
        eventually(lambda: outage.metric("clickstream_collector_requests_in_flight") == 1, "it is read")
        os.kill(outage.process.pid, signal.SIGTERM)
        answered = http.client.HTTPResponse(connection)
        answered.begin()
        rest = answered.read()
    assert (answered.status, answered.headers["Retry-After"]) == (503, "1")
    assert b"stopping" in rest
    eventually(lambda: not outage.process.is_running(), "the collector ended")
    assert outage.process.exit_status == 0


def test_kill_loses_nothing_that_was_answered(outage: RunningCollector, senders: Senders) -> None:
    for _ in range(2):
        before = len(senders.answered)
        eventually(lambda before=before: len(senders.answered) > before + 50, "clicks are answered")  # type: ignore[misc]
        outage.process.kill()
        outage.start()
    senders.end()
    assert lost(outage, senders) == set()


def test_kafka_away_is_503_at_once_and_over_when_it_is_back(
    kafka: Kafka, outage: RunningCollector, senders: Senders
) -> None:
    eventually(lambda: len(senders.answered) > 50, "clicks are answered")
    kafka.kill()
    try:
        eventually(lambda: senders.statuses[503] > 20, "503")
        refused = outage.post("/v1/clicks", bodies.own())
        assert (refused.status, refused.json["type"].rsplit("/", 1)[1]) == (503, "kafka-away")
        assert int(refused.headers["Retry-After"]) >= 1
        assert outage.ask("/livez", port=outage.admin_port).status == 200
        assert outage.ask("/readyz", port=outage.admin_port).status == 503
        assert outage.metric("clickstream_collector_kafka_available") == 0
    finally:
        kafka.start()
    before = len(senders.answered)
    eventually(lambda: len(senders.answered) > before + 50, "clicks are answered again")
    senders.end()
    assert set(senders.statuses) == {200, 503}
    assert lost(outage, senders) == set()


def test_kafka_that_hangs_is_503_and_over_when_it_goes_on(
    kafka: Kafka, outage: RunningCollector, senders: Senders
) -> None:
    eventually(lambda: len(senders.answered) > 50, "clicks are answered")
    kafka.suspend()
    try:
        eventually(lambda: senders.statuses[503] > 20, "503")
    finally:
        kafka.resume()
    before = len(senders.answered)
    eventually(lambda: len(senders.answered) > before + 50, "clicks are answered again")
    senders.end()
    assert set(senders.statuses) == {200, 503}
    assert lost(outage, senders) == set()


def test_requests_beyond_the_bound_are_503(kafka: Kafka, tmp_path: Path) -> None:
    with RunningCollector(
        kafka, tmp_path / "collector", settings={"MAX_REQUESTS": "1", "BODY_SECONDS": "600"}
    ) as running:
        with socket.create_connection((HOST, running.port), timeout=180) as slow:
            slow.sendall(b"POST /v1/clicks HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
            eventually(lambda: running.metric("clickstream_collector_requests_in_flight") == 1)
            answered = running.post("/v1/clicks", bodies.own())
            assert (answered.status, answered.json["type"].rsplit("/", 1)[1]) == (503, "overloaded")
        eventually(lambda: running.post("/v1/clicks", bodies.own()).status == 200, "room again")


def test_queue_that_is_full_is_503_and_bounded(kafka: Kafka, tmp_path: Path) -> None:
    with RunningCollector(kafka, tmp_path / "collector", settings={"QUEUE_RECORDS": "10"}) as running:
        answered = running.post("/v1/clicks", [bodies.own()] * 11)
        assert (answered.status, "Retry-After" in answered.headers) == (503, True)
        assert running.post("/v1/clicks", [bodies.own()] * 5).status == 200


def test_topic_that_is_not_there_keeps_the_collector_from_being_ready(kafka: Kafka, tmp_path: Path) -> None:
    running = RunningCollector(kafka, tmp_path / "collector", settings={"IDENTITIES_TOPIC": "nobody-made-it"})
    running.process.start()
    try:
        said = eventually(lambda: running.ask("/readyz", port=running.admin_port).json["detail"], "an answer")
        eventually(
            lambda: "nobody-made-it" in running.ask("/readyz", port=running.admin_port).json["detail"], said
        )
        assert running.post("/v1/clicks", bodies.own()).status == 503
    finally:
        running.process.stop()


@pytest.mark.long
def test_one_broker_of_three_is_missed_by_nobody(three_brokers: Kafka, tmp_path: Path) -> None:
    with RunningCollector(three_brokers, tmp_path / "collector") as running:
        senders = Senders(running)
        senders.start()
        try:
            for node in (1, 2, 3):
                before = len(senders.answered)
                eventually(lambda before=before: len(senders.answered) > before + 50, "clicks are answered")  # type: ignore[misc]
                three_brokers.kill(node)
                before = len(senders.answered)
                eventually(lambda before=before: len(senders.answered) > before + 50, "with two brokers")  # type: ignore[misc]
                three_brokers.start(node)
        finally:
            senders.end()
        assert set(senders.statuses) <= {200, 503}
        assert lost(running, senders) == set()
