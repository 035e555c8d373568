"""What the measurement of the collector makes of its samples: pure functions, without a broker."""

import json
from collections import Counter

import pytest
from clickstream_bench.collecting import report
from clickstream_bench.collecting.arrived import counted
from clickstream_bench.collecting.forms import OWN, SEGMENT, form
from clickstream_bench.collecting.servers import served

NOW = "2026-11-30T06:00:00.123Z"


@pytest.mark.parametrize("kind", [OWN, SEGMENT])
@pytest.mark.parametrize("events", [1, 50])
def test_a_request_has_a_gap_for_each_events_id(kind: str, events: int) -> None:
    request = form(kind, events, NOW)
    assert request.events == events
    document = json.loads("".join(f"{part}id" for part in request.parts).removesuffix("id"))
    found = document["batch"] if kind == SEGMENT else document if events > 1 else [document]
    assert [each["messageId" if kind == SEGMENT else "message_id"] for each in found] == ["id"] * events


def test_an_answered_event_that_is_missing_and_one_that_came_twice_are_counted() -> None:
    assert counted(["a", "b"], Counter(a=1, b=1)) == {"lost": 0, "doubled": 0}
    assert counted(["a", "b"], Counter(a=2)) == {"lost": 1, "doubled": 1}


def test_rates_are_of_the_clock_and_of_the_servers_processor_time() -> None:
    found = {"requests": 100, "events": 5_000, "seconds": 2.0, "p50_ms": 1.0, "p99_ms": 2.0, "max_ms": 3.0}
    rates = served(found, 0.5, 7)
    assert (rates.requests_s, rates.requests_cpu_s) == (50, 200)
    assert (rates.events_s, rates.events_cpu_s) == (2_500, 10_000)
    assert rates.cpu_share == 0.25


def rates(cpu: float, clock: float = 1.0, p99_ms: float = 1.0) -> dict[str, float]:
    return {
        "requests_s": clock, "requests_cpu_s": cpu, "events_cpu_s": cpu, "p50_ms": 1.0, "p99_ms": p99_ms,
    }  # fmt: skip


def test_figures_are_medians_of_ratios_the_slower_form_and_the_slower_answer() -> None:
    result = {
        "singles": [
            {"collector": rates(ours, 3), "bare": rates(theirs, 4)}
            for ours, theirs in [(6, 10), (50, 100), (7, 10)]
        ],
        "batches": [
            {OWN: rates(80_000), SEGMENT: rates(60_000)},
            {OWN: rates(70_000), SEGMENT: rates(62_000)},
        ],
        "half": {"one": rates(1, p99_ms=5.0), "batch": rates(1, p99_ms=9.0)},
        "count": {"lost": 0, "doubled": 0, "answered": 9},
    }
    assert report.figures(result) == {
        "ratio_to_bare_handler": 0.6,
        "ratio_on_the_clock": 0.75,
        "events_s_core_batch50": 61_000,
        "answer_p99_ms_half_load": 9.0,
        "lost": 0,
        "doubled": 0,
    }
    assert "half, batch" in report.tables(result)
    assert report.figures({}) == {}
