"""What a replay reads of letters of pods, sink and collectors, and what it makes of them."""

import json
from typing import Any

import pytest
from clickstream_expressions.errors import EvaluationFailed
from clickstream_expressions.letters import compile_set
from clickstream_processor.dead_letters.headers import read_headers
from clickstream_processor.dead_letters.letter import Letter
from clickstream_processor.errors import MalformedRecord
from clickstream_processor.replaying.click_again import ClickAgain, click_again, corrected, history_of
from clickstream_processor.replaying.letter import DeadLetter, read_letter, unreplayable
from clickstream_processor.replaying.request import Request
from clickstream_processor.replaying.selection import Selection, Skipped
from clickstream_processor.topology.records.partitioning import murmur2_partition
from clickstream_processor.topology.records.replayed import Place, Places

TOPIC, T0 = "user-clicks", 1_700_000_000_000
PLACES = Places(TOPIC, 12)
CLICK = {"user_id": "alice", "page_url": "/", "action": "view", "timestamp": "17"}
Pairs = list[tuple[str, str | bytes | None]]


def of_pod(reason: str = "mistyped-field", partition: int = 3, offset: int = 42, topic: str = TOPIC) -> Pairs:
    return [
        ("reason", reason.encode()),
        ("detail", b"timestamp: text"),
        ("source-topic", topic.encode()),
        ("source-partition", str(partition).encode()),
        ("source-offset", str(offset).encode()),
    ]


SINK: Pairs = [
    ("__connect.errors.topic", b"enriched-clicks"),
    ("__connect.errors.exception.message", b"rejected: mapping"),
]
COLLECTOR: Pairs = [("reason", b"missing-field"), ("detail", b"user_id"), ("source-path", b"/v1/batch")]


def letter(
    headers: Pairs,
    value: bytes | None = json.dumps(CLICK).encode(),
    *,
    key: bytes | None = b"k",
    time: int = T0,
) -> DeadLetter:
    return read_letter("dead-letters", Letter(1, 7, time, key, value, headers, read_headers(headers)), PLACES)


def selection(*, max_bytes: int = 1_000_000, **fields: Any) -> Selection:
    return Selection(Request(1, "fix", "u", **fields), 12, max_bytes, murmur2_partition)


def test_a_letter_of_a_pod_names_the_place_of_its_click() -> None:
    found = letter(of_pod())
    assert (found.writer, found.first, found.reason) == ("pod", Place(TOPIC, 3, 42), "mistyped-field")
    assert (found.named, found.attempt, found.key) == ("user-clicks-3-42", 1, "k")
    assert found.click == CLICK


@pytest.mark.parametrize(
    ("headers", "writer", "reason", "why"),
    [
        (SINK, "sink", "rejected", "sink"),
        (COLLECTOR, "collector", "missing-field", None),
        ([], "unknown", "unknown", "unknown-letter"),
        (of_pod("profile-refused", topic="user-profiles"), "pod", "profile-refused", "profile"),
        (of_pod(topic="other-clicks"), "pod", "mistyped-field", "other-topic"),
        (of_pod(partition=12), "pod", "mistyped-field", "other-topic"),
        (of_pod("late"), "pod", "late", "late"),
        ([*of_pod(), ("original-size", b"9")], "pod", "mistyped-field", "cut"),
    ],
)
def test_what_cannot_be_sent_again_says_why(
    headers: Pairs, writer: str, reason: str, why: str | None
) -> None:
    found = letter(headers)
    assert (found.writer, found.reason) == (writer, reason)
    assert unreplayable(found, late=False) == why


@pytest.mark.parametrize("reason", ["a,b", "Late", "x" * 41, "ä", ""])
def test_a_reason_that_none_of_ours_can_be_counts_as_unknown(reason: str) -> None:
    """History has commas between reasons, and a replay's position has room for short ones."""
    assert letter(of_pod(reason)).reason == "unknown"
    assert history_of(letter(of_pod(reason))) == "unknown"


def test_a_late_letter_is_sent_only_where_it_is_asked_for() -> None:
    assert selection().decide(letter(of_pod("late"))) == Skipped("late")
    assert isinstance(selection(late="enrich").decide(letter(of_pod("late"))), ClickAgain)


@pytest.mark.parametrize("value", [b"{", b'{"type":"track"}', b"[]", b"{}"])
def test_what_a_collector_has_refused_is_sent_if_it_is_a_click(value: bytes) -> None:
    assert selection().decide(letter(COLLECTOR, value)) == Skipped("no-click")
    sent = selection().decide(letter(COLLECTOR, key=None))
    assert isinstance(sent, ClickAgain)
    assert sent.headers == [("replay", "fix"), ("attempt", "2"), ("history", "missing-field")]
    assert sent.key == b"alice"


def test_a_letter_without_a_value_is_skipped() -> None:
    assert selection().decide(letter(of_pod(), None)) == Skipped("no-value")


def test_a_click_comes_again_under_its_first_place_to_its_users_partition() -> None:
    sent = selection(set={"timestamp": "int(click.timestamp)"}).decide(letter(of_pod(), key=b"session-1"))
    assert isinstance(sent, ClickAgain)
    assert json.loads(sent.value) == CLICK | {"timestamp": 17}
    assert (sent.key, sent.partition) == (b"alice", murmur2_partition(b"alice", 12))
    assert sent.timestamp_ms == T0
    assert sent.headers == [
        ("replay-of", "user-clicks-3-42"),
        ("replay", "fix"),
        ("attempt", "2"),
        ("history", "mistyped-field"),
    ]


@pytest.mark.parametrize(("key", "partition"), [(b"bob", murmur2_partition(b"bob", 12)), (None, 3)])
def test_without_a_user_id_the_key_stays_as_it_was(key: bytes | None, partition: int) -> None:
    sent = selection().decide(letter(of_pod(), b'{"user_id":7}', key=key))
    assert isinstance(sent, ClickAgain)
    assert (sent.key, sent.partition, sent.value) == (key, partition, b'{"user_id":7}')


def test_a_corrected_user_goes_to_the_partition_of_the_right_one() -> None:
    sent = selection(set={"user_id": "'bob'"}).decide(letter(of_pod()))
    assert isinstance(sent, ClickAgain)
    assert (sent.key, sent.partition) == (b"bob", murmur2_partition(b"bob", 12))


def test_fields_that_are_not_set_stay_byte_for_byte() -> None:
    huge = b"1" + b"0" * 400
    value = b'{"user_id":"alice","n":' + huge + b',"s":"\\u0041","timestamp":"17","t":1.50}'
    fields = compile_set({"timestamp": "int(click.timestamp)"})
    assert corrected(letter(of_pod(), value), fields) == value.replace(b'"17"', b"17")
    # But for half of a character, of which nobody could make JSON again.
    half, odd = value.replace(b"u0041", b"ud83d"), value.replace(b"alice", b"ali\xffce")
    assert corrected(letter(of_pod(), half), fields) == half.replace(b'"17"', b"17").replace(
        b"ud83d", b"ufffd"
    )
    assert corrected(letter(of_pod(), odd), fields) == odd.replace(b'"17"', b"17")


def test_a_letter_that_is_no_json_becomes_the_fields_alone() -> None:
    fields = compile_set({"user_id": "letter.key", "page_url": "letter.text", "timestamp": "letter.time"})
    found = corrected(letter(of_pod("not-json"), b"/page"), fields)
    assert json.loads(found) == {"user_id": "k", "page_url": "/page", "timestamp": T0}


def test_an_expression_that_fails_skips_the_letter_and_says_so() -> None:
    fields = {"timestamp": "int(click.timestamp)"}
    assert isinstance(selection(set=fields).decide(letter(of_pod(), b'{"timestamp":"x"}')), Skipped)
    skipped = selection(set=fields).decide(letter(of_pod(), b"{"))
    assert isinstance(skipped, Skipped)
    assert (skipped.why, skipped.matched) == ("set-failed", True)
    assert "set.timestamp" in skipped.detail
    skipped = selection(where="letter.click.x == 1").decide(letter(of_pod()))
    assert isinstance(skipped, Skipped)
    assert (skipped.why, skipped.matched) == ("where-failed", False)
    with pytest.raises((EvaluationFailed, MalformedRecord)):
        corrected(letter(of_pod(), b"{"), compile_set(fields))


@pytest.mark.parametrize(
    ("fields", "taken"),
    [
        ({}, True),
        ({"reasons": ["mistyped-field", "late"]}, True),
        ({"reasons": ["late"]}, False),
        ({"from_ms": T0}, True),
        ({"from_ms": T0 + 1}, False),
        ({"to_ms": T0 + 1}, True),
        ({"to_ms": T0}, False),
        ({"sources": [3]}, True),
        ({"sources": [4]}, False),
        ({"where": 'letter.detail.contains("timestamp") && letter.click.action == "view"'}, True),
        ({"where": "letter.attempt > 1"}, False),
    ],
)
def test_a_replay_takes_what_it_was_asked_for(fields: dict[str, Any], taken: bool) -> None:
    assert (selection(**fields).decide(letter(of_pod())) is not None) is taken


def test_a_click_too_large_for_its_topic_is_skipped() -> None:
    skipped = selection(max_bytes=1_100).decide(letter(of_pod()))
    assert isinstance(skipped, Skipped)
    assert skipped.why == "too-large"


def test_attempts_and_history_grow_within_bounds() -> None:
    headers = of_pod("unmatched")
    for attempt in range(2, 60):
        found = letter(headers)
        sent = click_again(found, found.value or b"", "again", 12, murmur2_partition)
        said = dict(sent.headers)
        assert said["attempt"] == str(attempt)
        assert str(said["history"]).split(",")[-1] == "unmatched"
        assert len(str(said["history"])) <= 400
        again: Pairs = [(name, str(value).encode()) for name, value in sent.headers[1:]]
        headers = [*of_pod("unmatched"), *again]
    assert len(history_of(letter(headers)).split(",")) == 40


@pytest.mark.parametrize("field", ["reason", "detail", "source-offset", "replay", "attempt", "history"])
@pytest.mark.parametrize("value", [None, b"", b"\xff\xfe", b"9" * 5_000, "text", b",,,"])
def test_no_header_is_too_odd(field: str, value: str | bytes | None) -> None:
    headers: Pairs = [pair for pair in of_pod() if pair[0] != field]
    for odd in ([*headers, (field, value)], [(field, value), *of_pod(), ("replay", b"x")]):
        selection(where='letter.detail != "x"').decide(letter(odd))
