"""What the benchmark makes of its samples: pure functions, without a broker."""

import json
from pathlib import Path

import pytest
from clickstream_bench.comparing.baseline import worse
from clickstream_bench.scaling.soak import trend
from clickstream_bench.scaling.watched import commits

MIB = 2**20


def samples(first_mib: float, per_s_mib: float, count: int = 60) -> list[tuple[float, int]]:
    return [(10.0 * n, round((first_mib + 10.0 * n * per_s_mib) * MIB)) for n in range(count)]


def test_memory_that_stays_is_flat() -> None:
    found = trend(samples(100, 0))
    assert found["flat"] is True
    assert found["slope_mib_h"] == 0
    assert found["peak_rss_bytes"] == 100 * MIB


def test_memory_that_grows_without_end_is_not_flat() -> None:
    found = trend(samples(100, 0.05))  # 5 MiB in 100 s, 3 % of it from one quarter to the next but one
    assert found["slope_mib_h"] == 180
    assert found["fourth_quarter_bytes"] > found["second_quarter_bytes"]
    assert found["flat"] is False


def test_memory_that_grows_at_first_only_is_flat() -> None:
    warm = samples(100, 1, 15) + [(10.0 * n, 250 * MIB) for n in range(15, 60)]
    assert trend(warm)["flat"] is True


def exposition(pod: str, buckets: dict[str, int], total_s: float) -> str:
    count = buckets["+Inf"]
    lines = [
        f'clickstream_commit_duration_seconds_bucket{{pod="{pod}",le="{le}"}} {n}'
        for le, n in buckets.items()
    ]
    return "\n".join(
        [
            "# TYPE clickstream_commit_duration_seconds histogram",
            *lines,
            f'clickstream_commit_duration_seconds_sum{{pod="{pod}"}} {total_s}',
            f'clickstream_commit_duration_seconds_count{{pod="{pod}"}} {count}',
        ]
    )


def test_commits_of_several_pods_are_one_distribution() -> None:
    quick = exposition("a", {"0.01": 90, "0.1": 90, "1.0": 90, "+Inf": 90}, 0.45)
    slow = exposition("b", {"0.01": 0, "0.1": 8, "1.0": 10, "+Inf": 10}, 1.05)
    found = commits(f"{quick}\n{slow}")
    assert found == {"count": 100, "mean_ms": 15.0, "p99_at_most_ms": 1_000.0}
    assert commits(quick)["p99_at_most_ms"] == 10.0
    assert commits("") == {"count": 0, "mean_ms": 0.0, "p99_at_most_ms": 0.0}


@pytest.mark.parametrize(
    ("name", "before", "now", "is_worse"),
    [
        ("cpu_ratio_copy", 0.40, 0.35, False),
        ("cpu_ratio_copy", 0.40, 0.33, True),
        ("cpu_ratio_copy", 0.40, 0.80, False),
        ("rss_ratio_kafka_streams", 0.10, 0.12, True),
        ("rss_ratio_kafka_streams", 0.10, 0.05, False),
        ("query_p99_ms_local", 5.0, 50.0, False),  # of one machine on one day: not guarded
    ],
)
def test_only_what_is_beyond_its_tolerance_is_worse(
    tmp_path: Path, name: str, before: float, now: float, is_worse: bool
) -> None:
    (tmp_path / "baseline.json").write_text(json.dumps({name: before}))
    lines = worse({name: now}, tmp_path / "baseline.json")
    assert [line.split()[0] for line in lines] == ([name] if is_worse else [])


def test_nothing_is_worse_without_a_baseline(tmp_path: Path) -> None:
    assert worse({"cpu_ratio_copy": 0.01}, tmp_path / "none.json") == []
