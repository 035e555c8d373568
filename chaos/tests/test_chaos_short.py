"""A short run of the fault suite with a seed of its own: what `make chaos` does for longer, with a fresh one.

The same faults each time: a red run is then the change's doing, and not the draw's.
"""

import os
import time
from pathlib import Path

import pytest
from clickstream_chaos import faults
from clickstream_chaos.proxy.kafka import make_kafka
from clickstream_chaos.proxy.proxy import Proxy
from clickstream_chaos.suite import Suite

pytestmark = [pytest.mark.real, pytest.mark.long]

MINUTES = float(os.environ.get("CHAOS_MINUTES") or 1)
SEED = 8


@pytest.mark.timeout(int(MINUTES * 60) + 600)
def test_nothing_is_lost_doubled_or_contradicted_through_random_faults(tmp_path: Path) -> None:
    seed = int(os.environ.get("CHAOS_SEED") or SEED)
    print(f"seed {seed}: run it again with CHAOS_SEED={seed}")
    proxy = Proxy()
    kafka = make_kafka(tmp_path / "kafka", 1, [proxy])
    suite = Suite(tmp_path / "pipeline", kafka, seed, print, proxies={0: proxy}, erases=True)
    try:
        kafka.start()
        suite.start()
        end_s = time.monotonic() + MINUTES * 60
        while time.monotonic() < end_s:
            name = faults.draw(suite.chance, faults.possible(proxied=True, minutes=MINUTES))
            assert suite.inject(name, faults.ALL[name].inject), suite.figures.line()
        assert suite.finish().complete(), suite.figures.line()
        print(suite.figures.line())
    finally:
        suite.stop()
        kafka.stop()
        proxy.close()
