"""The inputs, and what the report makes of several: pure functions, without a broker."""

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from clickstream_bench.comparing.inputs import HEAVY, INPUTS, traffic
from clickstream_bench.comparing.report import figures, table
from clickstream_bench.systems import MEMORY_MIB

MIB = 2**20
CLICKS, USERS, MANY = 2_000, 100, 1_000_000


def users_of(name: str) -> list[str]:
    return [user for user, _ in traffic(name, CLICKS, USERS, MANY, 0).records()]


def test_heavy_is_of_its_own_users_and_few_have_most_clicks() -> None:
    counts = Counter(users_of(HEAVY))
    assert set(counts) <= {f"user-{number}" for number in range(USERS)}
    assert counts.most_common(1)[0][1] > 10 * CLICKS // USERS


def test_a_visit_is_ten_clicks_in_a_row() -> None:
    users = users_of("visits")
    changes = [place for place, (one, other) in enumerate(pairwise(users), 1) if one != other]
    assert all(place % 10 == 0 for place in changes)
    assert len(changes) > 0.9 * CLICKS / 10


def test_in_wide_hardly_any_click_is_of_a_user_that_had_one() -> None:
    assert len(set(users_of("wide"))) > 0.99 * CLICKS


def test_an_input_is_the_same_each_time() -> None:
    for name in INPUTS:
        assert users_of(name) == users_of(name)


def rate(events: float, peak_mib: float) -> dict[str, Any]:
    return {
        "events_s": 2 * events,
        "events_cpu_s": events,
        "warm_events_cpu_s": 1.5 * events,
        "peak_rss_bytes": peak_mib * MIB,
        "queries": {"p99_ms": 5.0},
    }


def one_round(ours: float, default: float, tuned: float) -> dict[str, Any]:
    return {
        "clickstream": rate(ours, 200),
        "kafka-streams": rate(default, 800),
        "kafka-streams-tuned": rate(tuned, 1_000),
        "plain-copy": rate(200, 100),
        "c-copy": rate(400, 50),
    }


def test_figures_of_heavy_have_plain_names_and_others_that_of_their_input() -> None:
    found = figures({"throughput": {"wide": [one_round(50, 25, 20)], HEAVY: [one_round(100, 25, 20)]}})
    assert found["cpu_ratio_kafka_streams"] == 4
    assert found["cpu_ratio_kafka_streams_wide"] == 2
    assert found["cpu_ratio_copy"] == 0.5
    assert found["cpu_ratio_c_copy_wide"] == 0.125
    assert "cpu_ratio_kafka_streams_visits" not in found


def test_an_input_that_was_not_measured_has_no_figure() -> None:
    found = figures({"throughput": {"wide": [one_round(50, 25, 20)]}})
    assert found["cpu_ratio_kafka_streams"] is None
    assert found["query_p99_ms_local"] is None


@pytest.mark.parametrize(("default", "tuned", "ratio"), [(20, 50, 2.0), (50, 20, 2.0)])
def test_the_better_kafka_streams_is_quoted(default: float, tuned: float, ratio: float) -> None:
    found = figures({"throughput": {HEAVY: [one_round(100, default, tuned)]}})
    assert found["cpu_ratio_kafka_streams"] == ratio
    assert found["wall_ratio_kafka_streams"] == ratio
    assert found["rss_ratio_kafka_streams"] == 0.25  # to the default's, which is the smaller


def test_the_better_kafka_streams_is_quoted_of_latencies_too() -> None:
    steady = {name: {"1000": {"p99_ms": ms}} for name, ms in (("clickstream", 10), ("kafka-streams", 40))}
    more = {"kafka-streams-tuned": {"1000": {"p99_ms": 20}}}
    assert figures({"throughput": {}, "end_to_end": steady})["e2e_p99_ratio_kafka_streams_1k"] == 0.25
    assert figures({"throughput": {}, "end_to_end": steady | more})["e2e_p99_ratio_kafka_streams_1k"] == 0.5


def test_flink_is_compared_as_a_whole_and_once_it_is_warm() -> None:
    rounds = [{"clickstream": rate(100, 200), "flink-sql": rate(50, 900) | {"warm_events_cpu_s": 100}}]
    found = figures({"throughput": {HEAVY: rounds}})
    assert (found["cpu_ratio_flink_sql"], found["cpu_ratio_flink_sql_warm"]) == (2, 1.5)
    assert found["wall_ratio_flink_sql"] == 2
    assert found["rss_ratio_kafka_streams"] is None


def test_a_system_over_the_limit_of_memory_is_told() -> None:
    rounds = [{"clickstream": rate(100, MEMORY_MIB - 1), "kafka-streams": rate(20, MEMORY_MIB + 1)}]
    lines = table({"throughput": {HEAVY: rounds}}).splitlines()
    assert [line.split()[1] for line in lines if "over the limit" in line] == ["kafka-streams"]
