"""Clicks that a replay has sent: which are, under which place, and what their letters say of it."""

import json
from collections.abc import Sequence
from typing import Any, cast

import pytest
from clickstream_processor.kafka.headers import headers_in
from clickstream_processor.processing.output.letters import letter
from clickstream_processor.stages.arrivals import ArrivalsLine
from clickstream_processor.stages.clicks import ClicksLine
from clickstream_processor.state.store import TaskStore
from clickstream_processor.topology.arrived import Arrivals, Arrived, Replays
from clickstream_processor.topology.interfaces import Message
from clickstream_processor.topology.pipeline import Pipeline
from clickstream_processor.topology.plan import Plan
from clickstream_processor.topology.records.records import Reason
from clickstream_processor.topology.records.replayed import Pairs, Place, Places, Replayed, replayed_in
from confluent_kafka import Message as KafkaMessage
from processor_support.lines.sample_line import T0, Captured, DictState, DictStore, profile

TOPIC = "user-clicks"


class Record:
    """A record of the clicks topic, with its headers."""

    def __init__(self, offset: int, headers: Pairs = ()) -> None:
        self._offset, self.headers_of = offset, headers

    def offset(self) -> int:
        return self._offset

    def key(self) -> bytes | None:
        return b"alice"

    def value(self) -> bytes | None:
        return json.dumps({"user_id": "alice"}).encode()

    def timestamp(self) -> tuple[int, int]:
        return 1, 1_700_000_000_000


def headers_of(messages: Sequence[Message]) -> dict[int, Pairs]:
    found = {at: cast(Record, message).headers_of for at, message in enumerate(messages)}
    return {at: pairs for at, pairs in found.items() if pairs}


def among(*headers: Pairs) -> dict[int, Arrived]:
    return Replays(TOPIC, 4, 2, headers_of).among([Record(100 + n, each) for n, each in enumerate(headers)])


def test_a_click_that_comes_again_counts_under_its_first_place() -> None:
    found = among(
        (), [("replay-of", b"user-clicks-3-7"), ("replay", b"fix"), ("attempt", b"3"), ("history", b"late")]
    )
    assert set(found) == {1}
    assert found[1].place == Place(TOPIC, 3, 7)
    assert found[1].offset() == 7
    assert found[1].again == Replayed("fix", 3, "late")


def test_what_a_collector_had_refused_counts_where_it_lies() -> None:
    assert among([("replay", b"fix")])[0].place == Place(TOPIC, 2, 100)


@pytest.mark.parametrize(
    "value",
    [None, b"", b"user-clicks", b"user-clicks-3", b"user-clicks-4-1", b"user-clicks-3-", b"user-clicks-3--1",
     b"user-clicks-3-1x", b"user-clicks-03-1", b"other-3-1", b"user-clicks-3-9223372036854775808",
     b"user-clicks-3-" + b"1" * 400, b"\xff\xfe", b"user-clicks-3-\xb2"],
)  # fmt: skip
def test_an_invalid_place_makes_it_a_click_as_any_other(value: bytes | None) -> None:
    assert among([("replay-of", value), ("replay", b"fix")]) == {}
    assert among([("traceparent", value)]) == {}


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([], Replayed("", 2, "")),
        ([("replay", b"\xff"), ("attempt", b"x"), ("history", b"\xff")], Replayed("", 2, "")),
        ([("replay", None), ("attempt", None), ("history", None)], Replayed("", 2, "")),
        ([("replay", b"n" * 254), ("attempt", b"1" * 400), ("history", b"h" * 401)], Replayed("", 2, "")),
        ([("attempt", b"0"), ("history", b"a\nb")], Replayed("", 2, "")),
        ([("replay", b"one"), ("replay", b"two"), ("attempt", b"9999")], Replayed("one", 9_999, "")),
    ],
)
def test_what_is_odd_beside_the_place_is_left_out(pairs: Pairs, expected: Replayed) -> None:
    assert replayed_in(pairs) == expected


def test_a_letter_says_what_its_click_said() -> None:
    made = letter(
        Record(5),
        "late",
        "why",
        TOPIC,
        3,
        max_bytes=1_000_000,
        bare=False,
        again=Replayed("fix", 2, "unmatched"),
    )
    assert made.headers[-3:] == [("replay", "fix"), ("attempt", "2"), ("history", "unmatched")]
    plain = letter(Record(5), "late", "why", TOPIC, 3, max_bytes=1_000_000, bare=False)
    assert [name for name, _ in plain.headers][-1] == "source-offset"


def test_a_place_reads_as_it_is_written() -> None:
    assert Places(TOPIC, 4).read(str(Place(TOPIC, 1, 23)).encode()) == Place(TOPIC, 1, 23)


class Outputs(Captured):
    """Outputs of a line; letters by the place that they name, and what they say of the replay."""

    def __init__(self) -> None:
        super().__init__()
        self.bare = False
        self.named: list[tuple[Place | int, Replayed | None]] = []
        self.sent: list[tuple[bytes, int, list[tuple[str, str]]]] = []  # key, partition, headers

    def dead_letter(self, message: Message, *_: str) -> None:
        if isinstance(message, Arrived):
            self.named.append((message.place, message.again))
        else:
            self.named.append((message.offset(), None))

    def send(self, *record: Any) -> None:
        _, _, key, partition, *_, headers = record
        self.sent.append((key, partition, headers))


def kafka_record(offset: int, headers: Pairs | None = None, value: bytes | None = None) -> Message:
    """Return a record as the client has it."""
    whole = {"user_id": "alice", "page_url": "/", "action": "view", "timestamp": T0 + offset}
    made = KafkaMessage(  # type: ignore[call-overload,unused-ignore]
        topic=TOPIC,
        partition=0,
        offset=offset,
        key=b"alice",
        value=json.dumps(whole).encode() if value is None else value,
        headers=cast(Any, None if headers is None else list(headers)),
        timestamp=(1, T0),
    )
    return cast(Message, made)


def again(place: str, name: bytes = b"fix") -> Pairs:
    return [("replay-of", place.encode()), ("replay", name), ("attempt", b"2"), ("history", b"late")]


def clicks_line(out: Outputs) -> ClicksLine:
    plan = Plan(TOPIC, 1)
    state = DictState(plan)
    replays = Replays(TOPIC, 3, 0, headers_in)
    line = ClicksLine(
        Pipeline(plan, state, 0, cast(Any, out)), state, None, cast(Any, out), "", None, replays=replays
    )
    line.table([profile("alice")])
    return line


def test_clicks_in_between_keep_their_own_places() -> None:
    out = Outputs()
    line = clicks_line(out)
    places = {2: "1-7", 3: "1-8", 4: "2-1", 5: "2-0", 9: "0-3"}
    line.records(
        [
            kafka_record(
                at, again(f"{TOPIC}-{places[at]}") if at in places else [("traceparent", b"00")][: at % 2]
            )
            for at in range(12)
        ]
    )
    expected = [f"{TOPIC}-{places.get(at, f'0-{at}')}" for at in range(12)]
    assert [fields["event_id"] for fields, _, _ in out.clicks] == expected
    line.records([kafka_record(12)])
    assert out.clicks[-1][0]["event_id"] == f"{TOPIC}-0-12"
    assert line.counters.clicks == 13


def test_letters_of_clicks_that_come_again_name_their_first_places() -> None:
    out = Outputs()
    line = clicks_line(out)
    line.records([kafka_record(0, value=b"{"), kafka_record(1, again(f"{TOPIC}-2-9"), value=b"{")])
    line.set_aside(kafka_record(2, again(f"{TOPIC}-1-5")), Reason.PROCESSING_FAILED, "why")
    line.set_aside(kafka_record(3), Reason.PROCESSING_FAILED, "why")
    out.bare = True  # not to be read once more
    line.set_aside(kafka_record(4, again(f"{TOPIC}-1-5")), Reason.PROCESSING_FAILED, "why")
    said = Replayed("fix", 2, "late")
    assert out.named == [
        (0, None),
        (Place(TOPIC, 2, 9), said),
        (Place(TOPIC, 1, 5), said),
        (3, None),
        (4, None),
    ]


def test_the_stage_arrivals_passes_the_first_place_on_and_the_stage_clicks_takes_it() -> None:
    out = Outputs()
    store = cast(TaskStore, DictStore())
    first = ArrivalsLine(store, 0, cast(Any, out), Plan(TOPIC, 3), frozenset(), "a")
    bad = kafka_record(2, again(f"{TOPIC}-2-9"), value=b"{")
    first.records([kafka_record(0), kafka_record(1, again(f"{TOPIC}-1-5")), bad])
    first.set_aside(kafka_record(3, again(f"{TOPIC}-1-6")), Reason.OUTPUT_REFUSED, "why")
    said = Replayed("fix", 2, "late")
    assert out.named == [(Place(TOPIC, 2, 9), said), (Place(TOPIC, 1, 6), said)]
    headers = [pairs for _, _, pairs in out.sent]
    assert headers == [
        [("place", f"{TOPIC}-0-0")],
        [("place", f"{TOPIC}-1-5"), ("replay", "fix"), ("attempt", "2"), ("history", "late")],
    ]
    passed_on = [(name, text.encode()) for name, text in headers[1]]
    taken = Arrivals(TOPIC, 3).arrived(kafka_record(7, passed_on))
    assert isinstance(taken, Arrived)
    assert (taken.place, taken.again) == (Place(TOPIC, 1, 5), said)
    for odd in (passed_on[:2], [*passed_on, passed_on[0]], passed_on[::-1]):
        record = kafka_record(7, odd)
        assert Arrivals(TOPIC, 3).arrived(record) is record


def test_headers_are_found_by_index_and_a_record_that_cannot_be_asked_has_none() -> None:
    pairs = [("a", b"1"), ("b", None)]
    records: list[Any] = [
        kafka_record(0),
        kafka_record(1, pairs),
        object(),
        kafka_record(3, []),
        kafka_record(4, pairs),
    ]
    assert headers_in(records) == {1: pairs, 4: pairs}
    assert headers_in([]) == {}
