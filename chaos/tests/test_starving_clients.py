"""R6: a consumer that gets nothing while brokers answer others is replaced, then its process ends."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from clickstream_chaos.proxy.kafka import make_kafka
from clickstream_chaos.proxy.proxy import Proxy
from clickstream_chaos.suite import Suite
from clickstream_chaos.waiting import eventually
from clickstream_local.machine.process import Process

pytestmark = [pytest.mark.real, pytest.mark.long]

# The other one in `make test-long`: a minute each.
READERS = ["restore", *["clicks"] * bool(os.environ.get("CLICKSTREAM_LONG"))]


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    made = Proxy()
    yield made
    made.close()


@pytest.fixture
def suite(proxy: Proxy, tmp_path: Path) -> Iterator[Suite]:
    kafka = make_kafka(tmp_path / "kafka", 1, [proxy])
    made = Suite(tmp_path / "pipeline", kafka, 1, print, proxies={0: proxy})
    try:
        kafka.start()
        made.start()
        yield made
    finally:
        made.stop()
        kafka.stop()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("reader", READERS)
def test_pod_whose_consumer_starves_ends_and_recovers(suite: Suite, proxy: Proxy, reader: str) -> None:
    pod = suite.pipeline.pod(0)
    proxy.stall(f"-{reader}")
    eventually("the pod ends", lambda: not pod.is_running(), 300)
    proxy.mend()
    assert pod.exit_status == 70
    assert pod.log.read_text().count(f"{reader}: nothing is read of logs that have more: a new consumer") == 2
    suite.heal()
    assert suite.finish().complete(), suite.figures.line()


@pytest.mark.timeout(900)
def test_pod_goes_on_with_another_consumer_in_place_of_one_that_starves(suite: Suite, proxy: Proxy) -> None:
    pod = suite.pipeline.pod(0)
    process = pod.pid
    for reader in ("restore", "clicks"):
        proxy.stall(f"-{reader}", later=False)
        said = f"{reader}: nothing is read of logs that have more: a new consumer"
        eventually(f"the {reader} consumer is replaced", partial(_says, pod, said), 120)
        suite.heal()
    assert suite.finish().complete(), suite.figures.line()
    assert pod.pid == process


def _says(pod: Process, text: str) -> bool:
    return text in pod.log.read_text()
