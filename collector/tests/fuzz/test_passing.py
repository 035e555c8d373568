"""The rules that the fuzzer checks hold for requests of SDKs, for damaged ones, and for any bytes."""

import os
import subprocess

import pytest
from clickstream_collector.http.routes import EVENT_ROUTES
from clickstream_local.pipeline.options import REPOSITORY
from clickstream_local.testing.randomised import examples
from collector_support.passing import passed, seeds
from hypothesis import given, settings
from hypothesis import strategies as st

SEEDS = list(seeds())


def test_every_event_route_has_a_seed_that_is_taken() -> None:
    taken = {seed[0] for seed in SEEDS if (found := passed(seed)) and found.clicks}
    assert taken == set(range(len(EVENT_ROUTES)))


@given(seed=st.sampled_from(SEEDS), at=st.integers(3), cut=st.integers(0, 20), put=st.binary(max_size=6))
@settings(max_examples=examples(400))
def test_a_request_of_an_sdk_with_a_damage(seed: bytes, at: int, cut: int, put: bytes) -> None:
    at %= len(seed)
    passed(seed[:at] + put + seed[at + cut :])


@given(data=st.binary(max_size=300))
@settings(max_examples=examples(300))
def test_any_bytes(data: bytes) -> None:
    passed(data)


@pytest.mark.real  # Atheris, in an environment of its own
@pytest.mark.long
def test_the_fuzzer_finds_nothing_in_a_short_run() -> None:
    environment = {**os.environ, "CLICKSTREAM_FUZZ_SECONDS": "20"}
    run = subprocess.run([REPOSITORY / "scripts/fuzz"], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-4_000:]
    assert "DONE" in run.stderr
