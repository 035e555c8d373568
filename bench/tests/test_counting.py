"""What the measurements of metrics make of their samples and inputs: pure functions, without a broker."""

import struct

import pytest
from clickstream_bench.counting import report
from clickstream_bench.counting.expected import Expected, estimate, windows_of
from clickstream_bench.counting.freshness import Counted, percentiles
from clickstream_bench.counting.ingest import whole
from clickstream_bench.counting.sizes import ACTIVE_USERS, ADVANCE_MS, PAGE_VIEWS, SIZE_MS
from clickstream_bench.counting.systems import METRICS, PLAIN, STREAMS, windowed
from clickstream_bench.systems import Topics, pipeline_document
from clickstream_bench.traffic import Traffic
from clickstream_local.pipeline.reference import Place
from clickstream_operator.spec.clickpipeline import parse

START_MS = 1_700_000_100_000 // SIZE_MS * SIZE_MS


def test_the_operator_takes_the_metrics_that_are_measured() -> None:
    place = Place("broker:9092", 1, "http://127.0.0.1:1", "opensearch", 1, 2)
    topics = Topics("clicks", "profiles", "enriched", "counts")
    pipeline = parse(pipeline_document(topics, place, "run-1", "1Gi", (PAGE_VIEWS, ACTIVE_USERS)))
    assert [metric.name for metric in pipeline.spec.processing.metrics] == ["page-views", "active-users"]


def test_a_click_is_in_each_window_that_has_its_pane() -> None:
    windows = windows_of(START_MS)
    assert len(windows) == SIZE_MS // ADVANCE_MS
    assert all(start_ms <= START_MS < start_ms + SIZE_MS for start_ms in windows)
    expected = Expected.of(Traffic(2_000, 50, START_MS))
    kept = sum(click["action"] != "heartbeat" for _, click in Traffic(2_000, 50, START_MS).records())
    assert sum(expected.views.values()) == kept * len(windows)
    assert max(expected.users.values()) <= 50


def test_a_count_that_differs_and_an_estimate_that_is_far_off_are_named() -> None:
    expected = Expected.of(Traffic(2_000, 2_000, START_MS))
    views, users = dict(expected.views), {key: 1.03 * value for key, value in expected.users.items()}
    assert expected.differences(views, users) == []
    views[next(iter(views))] += 1
    users[next(iter(users))] *= 2
    assert [line.split(" of ")[0] for line in expected.differences(views, users)] == ["1", "1"]
    assert len(expected.differences({}, {})) == 2


@pytest.mark.parametrize("number", [0, 1, 300, 2_000])
def test_registers_that_few_have_filled_are_counted_by_those_that_are_empty(number: int) -> None:
    registers = bytearray(4_096)
    for place in range(number):
        registers[place] = 1
    assert estimate(bytes(registers)) == pytest.approx(number, abs=number * number / 4_000 + 1)


def test_a_window_stores_key_is_text_start_and_number() -> None:
    assert windowed("/café".encode() + struct.pack(">qi", START_MS, 0)) == ("/café", START_MS)


def test_a_second_stage_that_lags_is_counted_to_its_end() -> None:
    # 1,000 records in 10 s, one core; then 2 s more for what lies behind.
    samples = [(float(n), 100 * n, float(n)) for n in range(11)]
    found = whole(samples, (12.0, 12.0), 1_000, 1_000, 7)
    assert found.events_cpu_s == pytest.approx(900 / 11)
    assert found.steady_events_cpu_s == pytest.approx(100)
    assert found.behind_s == 2.0
    assert whole(samples, (10.0, 10.0), 1_000, 1_000, 7).events_s == pytest.approx(100)


def test_a_click_is_counted_when_a_count_reaches_it_and_not_again() -> None:
    counted = Counted(sent_ns=[0, 1_000_000, 2_000_000])
    assert counted.latencies_ms(0, 2, 5_000_000) == [5.0, 4.0]
    assert counted.latencies_ms(0, 2, 6_000_000) == []
    assert counted.latencies_ms(60_000, 1, 7_000_000) == [5.0]  # of the next window
    assert percentiles([3.0, 1.0, 2.0]) == {"p50_ms": 2.0, "p99_ms": 2.0, "records": 3}


def rates(events_cpu_s: float) -> dict[str, float]:
    return {
        "events_s": 1.0,
        "events_cpu_s": events_cpu_s,
        "peak_rss_bytes": 1,
        "behind_s": 0.0,
        "between_per_click": 0.1,
    }


def test_figures_are_medians_of_ratios_within_a_round() -> None:
    rounds = [
        {PLAIN: rates(plain), METRICS: rates(ours), STREAMS: rates(theirs)}
        for plain, ours, theirs in [(10, 5, 1), (100, 80, 20), (1, 0.7, 0.1)]
    ]
    fresh = {
        kind: {"p50_ms": 1.0, "p99_ms": p99}
        for kind, p99 in [("enriched", 40.0), ("global", 60.0), ("by_partition", 61.0)]
    }
    load = {"requests": 1, "errors": 0, "p50_ms": 1.0, "p99_ms": 2.0}
    result = {"ingest": rounds, "freshness": fresh}
    found = report.figures(result)
    assert found["cost_ratio_two_metrics"] == 0.7
    assert found["cpu_ratio_kafka_streams_metrics"] == 5
    assert found["freshness_ratio_to_enriched"] == 1.5
    assert "top20_p99_ms" not in found
    top = {"made": load, "shared": load, "partials_per_click": 1.0}
    assert report.figures({"top": top})["top20_p99_ms"] == 2.0
    assert "0.7" in report.tables(result | {"top": top})
