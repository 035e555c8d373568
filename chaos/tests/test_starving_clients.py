"""R6: a consumer that gets nothing while brokers answer others ends its process, which recovers."""

import os
from pathlib import Path

import pytest
from clickstream_chaos.pipeline import eventually
from clickstream_chaos.proxy import Proxy, make_kafka
from clickstream_chaos.suite import Suite

# The other one in `make test-long`: a minute each.
READERS = ["restore", *["clicks"] * bool(os.environ.get("CLICKSTREAM_LONG"))]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("reader", READERS)
def test_pod_whose_consumer_starves_ends_and_recovers(tmp_path: Path, reader: str) -> None:
    proxy = Proxy()
    kafka = make_kafka(tmp_path / "kafka", 1, [proxy])
    suite = Suite(tmp_path / "pipeline", kafka, 1, print, proxies={0: proxy})
    try:
        kafka.start()
        suite.start()
        pod = suite.pipeline.pod(0)
        proxy.stall(f"-{reader}")
        eventually("the pod ends", lambda: not pod.is_running(), 300)
        proxy.mend()
        assert pod.exit_status == 70
        assert f"{reader}: nothing is read of logs that have more" in pod.log.read_text()
        suite.heal()
        assert suite.finish().complete(), suite.figures.line()
    finally:
        suite.stop()
        kafka.stop()
        proxy.close()
