"""Whatever answers in a replay's place, what is taken of it is bounded and of the right kinds."""

import json
from typing import Any

import pytest
from clickstream_operator.operations.operation import read_last_word
from clickstream_operator.operations.pods.report import Tally, read_report
from clickstream_operator.operations.replay import parse_replay
from operator_support.operation_documents import REPORT, replay_document


def test_report_is_read() -> None:
    report = read_report(REPORT)
    assert (report.scanned, report.total, report.matched, report.replayed) == (10, 10, 4, 3)
    assert report.by_reason == {"mistyped-field": Tally(4, 3, 1)}
    assert report.first[0].place == "user-clicks-0-7"


@pytest.mark.parametrize("answer", [{}, [], None, "done", {"phase": "other"}, {"phase": ["done"]}])
def test_what_is_no_report_is_refused(answer: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        read_report(answer)


@pytest.mark.parametrize(
    "odd",
    [
        {"scanned": -1, "total": 10**400, "matched": True, "replayed": "3", "skipped": None},
        {"by_reason": {"late": 3, "": {}, "x" * 9999: {"matched": -2}}, "skipped_by": ["late"]},
        {"skipped_by": {f"why {i}": i for i in range(999)}},
        {"first": [None, 3, {"value": "v" * 99_999}, {"value": "\ud800", "place": {}}] * 99},
        {"message": "m" * 99_999, "by_reason": None, "first": {}},
    ],
)
def test_odd_parts_are_bounded(odd: dict[str, Any]) -> None:
    report = read_report({"phase": "done", **odd})
    assert 0 <= report.total <= 2**53
    assert report.scanned == report.matched == report.replayed == 0
    assert len(json.dumps([[e.place, e.reason, e.value] for e in report.first])) < 20_000
    assert len(report.by_reason) <= 50
    assert len(report.skipped_by) <= 50
    assert len(report.message) <= 1000
    str(report).encode()


@pytest.mark.parametrize("text", ["", "Killed", '{"phase": "done"', "[" * 100_000, "3"])
def test_last_word_that_is_no_report_is_none(text: str) -> None:
    assert read_last_word(parse_replay(replay_document()), text) is None


def test_last_word_is_a_report() -> None:
    assert read_last_word(parse_replay(replay_document()), json.dumps(REPORT)) == read_report(REPORT)
