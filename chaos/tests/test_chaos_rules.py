"""The checker finds the harm when a rule of docs/protocol.md is switched off, and none when it is kept."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from clickstream_chaos import rules
from clickstream_chaos.proxy import Proxy, make_kafka
from clickstream_local.parts.kafka import Kafka

_seeds = itertools.count(1_000)
# R4's course waits for a commit's time-out of 30 s, twice; it is part of `make chaos` alone.
QUICK = [rule for rule in rules.COURSES if rule != "R4" or os.environ.get("CHAOS_MINUTES")]


@pytest.fixture(scope="module")
def proxies() -> Iterator[dict[int, Proxy]]:
    ways = {0: Proxy(), 1: Proxy()}
    yield ways
    for way in ways.values():
        way.close()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, proxies: dict[int, Proxy]) -> Iterator[Kafka]:
    """Give a broker that pods 0 and 1 reach by proxies."""
    kafka = make_kafka(
        tmp_path_factory.mktemp("rules") / "kafka",
        1,
        list(proxies.values()),
        log_cleaner_backoff_ms="500",  # R14: a tombstone must be gone within seconds
    )
    kafka.start()
    yield kafka
    kafka.stop()


@pytest.mark.parametrize("rule", QUICK)
def test_without_the_rule_the_checker_finds_the_harm(
    rule: str, broker: Kafka, proxies: dict[int, Proxy], tmp_path: Path
) -> None:
    verdict = rules.run(rule, tmp_path, broker, proxies, next(_seeds), skip=True)
    # What is still missing after the drain is lost: some task stopped before it did worse.
    assert verdict.wrong() if rule in rules.REFUSES else not verdict.complete()


@pytest.mark.parametrize("rule", QUICK)
def test_with_the_rule_nothing_is_wrong(
    rule: str, broker: Kafka, proxies: dict[int, Proxy], tmp_path: Path
) -> None:
    verdict = rules.run(rule, tmp_path, broker, proxies, next(_seeds), skip=False)
    assert not verdict.wrong(), verdict.examples
    if rule not in rules.REFUSES:
        assert verdict.complete(), verdict.examples
