"""A dead letter's detail says all that is wrong with a click; a flaw that nobody reads costs nothing."""

import json
from typing import Any

import pytest
from clickstream_expressions.expression import Expression
from clickstream_processor.topology.inspection import MAX_DETAIL
from clickstream_processor.topology.pipeline import Pipeline
from clickstream_processor.topology.plan import Plan
from processor_support.lines.sample_line import T0, Captured, DictState, profile, record

ISO = "2026-11-28T14:14:22.626Z"
MISSING = "user_id: missing; page_url: missing; action: missing; "
NO_INT = "timestamp: expected int (ms since the epoch), got "


def through(value: bytes, filter_: str = "") -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    """Return the enriched clicks and the letters (reason, detail) of one record."""
    plan, out = Plan("user-clicks", 1), Captured()
    keep = Expression("processing.filter", filter_) if filter_ else None
    line = Pipeline(plan, DictState(plan), 0, out, keep=keep)
    line.profiles([profile("alice")])
    line.clicks([record(b"alice", value, 7)])
    return [click for click, _, _ in out.clicks], [(reason, detail) for _, reason, detail in out.dead]


def body(**fields: Any) -> bytes:
    click = {"user_id": "alice", "page_url": "/", "action": "view", "timestamp": T0} | fields
    return json.dumps(click).encode()


@pytest.mark.parametrize(
    ("value", "reason", "detail"),
    [
        (
            json.dumps({"type": "track", "userId": "alice", "timestamp": ISO}).encode(),
            "missing-field",
            f"{MISSING}{NO_INT}an ISO string",
        ),
        (json.dumps({"event": "x", "timestamp": T0}).encode(), "missing-field", MISSING[:-2]),
        (
            body(page_url=None, action=7),
            "mistyped-field",
            "page_url: expected text, got null; action: expected text, got a number",
        ),
        (body(timestamp="1690000000000"), "mistyped-field", f"{NO_INT}a number in quotes"),
        (body(timestamp=1690000000.5), "mistyped-field", f"{NO_INT}a fraction (of seconds?)"),
        (body(timestamp=True), "mistyped-field", f"{NO_INT}a truth value"),
        (
            body(timestamp=1690000000 * 10**9),
            "implausible-time",
            "timestamp: looks like nanoseconds (1690000000000000000); milliseconds are expected",
        ),
        (
            body(timestamp=1690000000 * 10**6),
            "too-far-in-future",
            "timestamp: looks like microseconds (1690000000000000); milliseconds are expected",
        ),
        (
            b"\0\0\0\0\x07" + body(),
            "not-json",
            "begins with a schema-registry frame (magic byte 0); plain JSON in UTF-8 is expected",
        ),
        (b"\x1f\x8b\x08rest", "not-json", "is compressed with gzip; plain JSON in UTF-8 is expected"),
        (b"", "not-json", "the value is empty"),
        (body(page_url="\ud83d!"), "mistyped-field", "page_url: holds a lone surrogate"),
        (body(user_id="\ud800"), "mistyped-field", "user_id: holds a lone surrogate"),
        (body(action="@").replace(b"@", b"\xed"), "not-json", "action: holds bytes that are not UTF-8"),
    ],
    ids=range(14),
)  # fmt: skip
def test_the_detail_names_every_field_that_is_wrong_and_how(value: bytes, reason: str, detail: str) -> None:
    clicks, letters = through(value)
    assert clicks == []
    assert [(why, text[: len(detail)]) for why, text in letters] == [(reason, detail)]


@pytest.mark.parametrize(
    "flaw",
    [
        b'"\\ud83d"',
        b'"a\\\\\\ud83d"',
        b'"\\udc00\\ud83d"',
        b'["\\ud83d"]',
        b'{"\\ud83d":1}',
        b'"\xff"',
        b"1e999",
    ],
)
@pytest.mark.parametrize(
    "filter_", ["", 'click.amount == 5 && click.action == "view"'], ids=["plain", "fields"]
)
def test_a_flaw_in_a_field_that_nobody_reads_costs_nothing(flaw: bytes, filter_: str) -> None:
    clicks, letters = through(body(title="@", amount=5).replace(b'"@"', flaw), filter_)
    assert letters == []
    assert clicks[0]["event_id"] == "user-clicks-0-7"


@pytest.mark.parametrize("filter_", ['click.title != "x"', "has(click.title)", "click.size() > 1"])
def test_a_lone_surrogate_in_a_field_that_an_expression_reads_is_named(filter_: str) -> None:
    clicks, letters = through(body(title="\ud83d"), filter_)
    assert clicks == []
    assert [(why, text[:30]) for why, text in letters] == [
        ("mistyped-field", "title: holds a lone surrogate ")
    ]


def test_pairs_and_backslashes_are_no_lone_surrogates() -> None:
    clicks, letters = through(body(page_url="\U0001f600 \\ud83d", title="\ud83d"))
    assert letters == []
    assert clicks[0]["page_url"] == "\U0001f600 \\ud83d"


def test_a_detail_is_bounded() -> None:
    fields = {f"{number}" * 90: "\ud83d" for number in range(1, 200)}
    _, letters = through(body(**fields), "click.size() > 1")
    assert letters[0][0] == "mistyped-field"
    assert len(letters[0][1]) <= MAX_DETAIL
