"""Expressions in the line on odd clicks: one record fails, by its reason, and the clicks around it go on."""

from typing import Any

import msgspec
import pytest
from clickstream_expressions.expression import compile_filter, compile_outputs
from clickstream_processor.topology.pipeline import Pipeline
from clickstream_processor.topology.plan import Plan
from clickstream_processor.topology.records.codec import decode_click, decode_object, decode_profile
from processor_support.lines.sample_line import T0, Captured, DictState, click, profile, record


def line(row: bytes = b'{"user_id":"alice"}', **parts: Any) -> tuple[Pipeline, Captured]:
    plan = Plan(clicks_topic="user-clicks", partitions=1)
    outputs = Captured()
    made = Pipeline(plan, DictState(plan), 0, outputs, **parts)
    made.profiles([record(b"alice", row)])
    return made, outputs


def deep_click(field: str, levels: int, offset: int) -> Any:
    value = b'{"user_id":"alice","page_url":"/","action":"v","timestamp":%d,"%s":%s}' % (
        T0,
        field.encode(),
        b"[" * levels + b"]" * levels,
    )
    return record(b"alice", value, offset)


READERS = {
    "a transformation": {"transform": compile_outputs({"channel": 'has(click.x) ? click.x : "web"'})},
    "a filter": {"keep": compile_filter("click.x != 3")},
    "both": {
        "keep": compile_filter('!has(click.x) || click.x != "a"'),
        "transform": compile_outputs({"copy": "has(click.x) ? [click.x] : []"}),
    },
}


@pytest.mark.parametrize("parts", READERS.values(), ids=READERS)
@pytest.mark.parametrize(
    ("levels", "reason"), [(65, "expression-error"), (500, "expression-error"), (5_000, "not-json")]
)
def test_a_click_of_brackets_is_a_dead_letter_and_its_neighbours_pass(
    parts: dict[str, Any], levels: int, reason: str
) -> None:
    """Trials B02 and V2: 500 brackets ended the process, and the next owner's."""
    made, out = line(**parts)
    made.clicks([click("alice", T0, 1, x=1), deep_click("x", levels, 2), click("alice", T0 + 1, 3, x=1)])
    made.flush()
    assert [(offset, why) for offset, why, _ in out.dead] == [(2, reason)]
    if reason == "expression-error":
        assert out.dead[0][2].endswith("the value of click.x nests deeper than 64 levels")
    assert [value["event_id"] for value, _, _ in out.clicks] == ["user-clicks-0-1", "user-clicks-0-3"]


@pytest.mark.parametrize("parts", READERS.values(), ids=READERS)
def test_brackets_that_no_expression_reads_pass(parts: dict[str, Any]) -> None:
    made, out = line(**parts)
    made.clicks(
        [
            record(
                b"alice",
                b'{"user_id":"alice","page_url":"/","action":"v","timestamp":%d,"x":1,"y":%s}'
                % (T0, b"[" * 500 + b"]" * 500),
                1,
            )
        ]
    )
    assert (out.dead, len(out.clicks)) == ([], 1)


def test_a_value_of_the_allowed_depth_is_written() -> None:
    made, out = line(transform=compile_outputs({"copy": "click.x"}))
    made.clicks([deep_click("x", 64, 1)])
    assert out.dead == []
    assert str(out.clicks[0][0]["copy"]) == "[" * 64 + "]" * 64


def test_a_profile_of_brackets_fails_its_clicks_alone() -> None:
    row = b'{"user_id":"alice","extra":' + b"[" * 500 + b"]" * 500 + b"}"
    made, out = line(row, keep=compile_filter("profile.extra != 3"))
    made.profiles([profile("bob")])
    made.clicks([click("alice", T0, 1), click("bob", T0, 2)])
    assert [(offset, why) for offset, why, _ in out.dead] == [
        (1, "expression-error"),
        (2, "expression-error"),
    ]
    assert "profile.extra nests deeper than 64 levels" in out.dead[0][2]


@pytest.mark.parametrize("decode", [decode_click, decode_profile, decode_object])
def test_no_decoder_lets_a_lone_surrogate_in(decode: Any) -> None:
    """On one the two ways of evaluation disagree (test_expression_agreement.py)."""
    with pytest.raises(msgspec.DecodeError):
        decode(b'{"user_id":"\\ud800","page_url":"/","action":"view","timestamp":1}')
