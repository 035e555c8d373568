"""A short run of the collector's fault suite: each fault at least once, with a seed of its own."""

import os
from pathlib import Path

import pytest
from clickstream_chaos.collecting.suite import line, run

pytestmark = [pytest.mark.real, pytest.mark.long]

MINUTES = float(os.environ.get("CHAOS_MINUTES") or 0.5)
SEED = 8


@pytest.mark.timeout(int(MINUTES * 60) + 900)
def test_what_was_answered_is_in_the_topic_through_every_fault(tmp_path: Path) -> None:
    seed = int(os.environ.get("CHAOS_SEED") or SEED)
    print(f"seed {seed}: run it again with CHAOS_SEED={seed}")
    found, done = run(tmp_path, 1, MINUTES, seed, print)
    print(line(found, done))
    assert found.is_well(), found.examples
    assert all(done.values()), done
    assert found.answered > 0
    assert found.repeated > 0  # answers were lost, so the run did try what it says
