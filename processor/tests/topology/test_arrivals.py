"""Clicks through the stage `arrivals` end as they would without it, but for partition and key."""

import json
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from clickstream_expressions.expression import Expression
from clickstream_processor.stages.arrivals import ArrivalsLine
from clickstream_processor.stages.clicks import ClicksLine
from clickstream_processor.state.store import TaskStore
from clickstream_processor.topology.arrived import Arrivals, Arrived
from clickstream_processor.topology.inspection import fields_read
from clickstream_processor.topology.interfaces import Headers, Message
from clickstream_processor.topology.pipeline import Pipeline
from clickstream_processor.topology.plan import Plan
from clickstream_processor.topology.records.partitioning import murmur2_partition
from clickstream_processor.topology.records.records import Reason
from clickstream_processor.topology.records.replayed import Place
from confluent_kafka import Message as Record
from processor_support.lines.sample_line import T0, Captured, DictState, DictStore, click, profile, record

TOPIC = "user-clicks"
Pairs = list[tuple[str, bytes | None]]


def moved(
    value: bytes | None,
    headers: Pairs | None,
    *,
    key: bytes | None = b"alice",
    offset: int = 0,
    record_ms: int = T0,
) -> Message:
    """Return a record of the topic between the stages."""
    made = Record(  # type: ignore[call-overload,unused-ignore]
        topic="a",
        partition=0,
        offset=offset,
        key=key,
        value=value,
        headers=cast(Any, headers),
        timestamp=(1, record_ms),
    )
    return cast(Message, made)


@dataclass
class Outputs(Captured):
    """Outputs of both stages; letters by the place that they name, as the runtime has it."""

    sent: list[tuple[int, Message]] = field(default_factory=list)  # partition, record
    letters: list[tuple[Place | int, str, str]] = field(default_factory=list)
    bare: bool = False

    def send(
        self,
        topic: str,
        value: bytes | str | None,
        key: bytes | None,
        partition: int,
        on_delivery: None = None,
        callback: None = None,
        timestamp_ms: int = 0,
        headers: Headers = None,
        /,
    ) -> None:
        assert (topic, on_delivery, callback) == ("a", None, None)
        encoded: Pairs = [(name, text.encode()) for name, text in cast(list[tuple[str, str]], headers)]
        made = moved(cast(bytes, value), encoded, key=key, offset=3 * len(self.sent), record_ms=timestamp_ms)
        self.sent.append((partition, made))

    def dead_letter(self, message: Message, reason: str, detail: str, /) -> None:
        place = message.place if isinstance(message, Arrived) else message.offset()
        self.letters.append((place, reason, detail))


def arrivals_line(
    out: Outputs, *, partition: int = 0, partitions: int = 1, keep: Expression | None = None
) -> ArrivalsLine:
    store = cast(TaskStore, DictStore())
    read = fields_read([] if keep is None else [keep])
    return ArrivalsLine(store, partition, out, Plan(TOPIC, partitions), read, "a")


def clicks_line(
    out: Outputs, *, partition: int = 0, partitions: int = 1, keep: Expression | None = None
) -> ClicksLine:
    plan = Plan(TOPIC, partitions)
    state = DictState(plan)
    pipeline = Pipeline(plan, state, partition, out, keep=keep)
    return ClicksLine(pipeline, state, None, out, "", Arrivals(TOPIC, partitions))


def body(**fields: Any) -> bytes:
    whole = {"user_id": "alice", "page_url": "/", "action": "view", "timestamp": T0} | fields
    return json.dumps(whole).encode()


LONG = "u" * 1_025
ODD: dict[str, bytes | None] = {
    "no value": None,
    "empty": b"",
    "no JSON": b"{",
    "a list": b"[1]",
    "a text": b'"alice"',
    "null": b"null",
    "nested too deeply": b'{"user_id":' + b"[" * 30_000,
    "too deep elsewhere": b'{"user_id":"alice","x":' + b"[" * 30_000,
    "gzip": b"\x1f\x8b\x08rest",
    "a frame": b"\0\0\0\0\x07" + body(),
    "a mark": b"\xef\xbb\xbf" + body(),
    "not UTF-8": body(user_id="@").replace(b"@", b"\xff"),
    "not UTF-8 elsewhere": body(title="@").replace(b"@", b"\xff"),
    "not UTF-8 where it is read": body(action="@").replace(b"@", b"\xff"),
    "a lone surrogate": body(user_id="\ud800"),
    "a lone surrogate elsewhere": body(title="\ud83d"),
    "a lone surrogate where it is read": body(page_url="\ud83d"),
    "a lone surrogate that the filter reads": body(colour="\ud83d"),
    "two lone surrogates": body(user_id="\ud800", page_url="\ud83d"),
    "no user": json.dumps({"page_url": "/", "action": "view", "timestamp": T0}).encode(),
    "no user and more": json.dumps({"userId": "alice", "timestamp": "now"}).encode(),
    "no user but a filter's field": json.dumps({"colour": "\ud83d"}).encode(),
    "a number as user": body(user_id=7),
    "null as user": body(user_id=None),
    "a list as user": body(user_id=["alice"]),
    "a truth value as user": body(user_id=True),
    "an empty user": body(user_id=""),
    "a long user": body(user_id=LONG),
    "a long user and more": body(user_id=LONG, timestamp="now"),
    "a long user with a huge number": body(user_id=LONG, n="@").replace(b'"@"', b"1e999"),
    "a long user of few letters": body(user_id="\U0001f600" * 257),
    "a user of 1,024 bytes": body(user_id="u" * 1_024),
    "a huge click": body(page_url="x" * 70_000),
    "a huge click of a long user": body(user_id=LONG, page_url="x" * 70_000),
    "a huge click that is no JSON": b"{" + b"x" * 70_000,
    "two users": b'{"user_id":"bob","user_id":"alice","page_url":"/","action":"view","timestamp":%d}' % T0,
    "no time": json.dumps({"user_id": "alice"}).encode(),
    "a time in seconds": body(timestamp=T0 // 1_000),
    "a time in the future": body(timestamp=T0 + 86_400_000),
    "a stranger": body(user_id="stranger"),
    "an odd number elsewhere": body(n="@").replace(b'"@"', b"1e999"),
    "good": body(),
}


def key_of(value: bytes | None) -> bytes:
    """Return the key that a producer would give it that knows what it should be."""
    try:
        user = json.loads(value or b"")["user_id"]
        return str(user).encode()
    except (ValueError, KeyError, TypeError, RecursionError):
        return b"alice"


@pytest.mark.parametrize("filter_", ["", 'has(click.colour) || click.action == "view"'], ids=["", "filter"])
@pytest.mark.parametrize("name", ODD)
def test_a_click_ends_as_it_would_without_the_stage(name: str, filter_: str) -> None:
    keep = Expression("processing.filter", filter_) if filter_ else None
    straight, around, value = Outputs(), Outputs(), ODD[name]
    line = Pipeline(Plan(TOPIC, 1), DictState(Plan(TOPIC, 1)), 0, straight, keep=keep)
    line.profiles([profile("alice")])
    line.clicks([record(key_of(value), value, 7)])

    first, second = arrivals_line(around, keep=keep), clicks_line(around, keep=keep)
    second.table([profile("alice")])
    first.records([record(b"whatever", value, 7)])
    second.records([message for _, message in around.sent])

    assert around.clicks == straight.clicks
    assert [(r, d) for _, r, d in around.letters] == [(r, d) for _, r, d in straight.letters]
    assert {place for place, _, _ in around.letters} <= {7, Place(TOPIC, 0, 7)}
    assert len(around.clicks) + len(around.letters) == 1
    counted = first.counters.clicks + second.counters.clicks
    assert counted == line.counters.clicks == 1


def test_a_click_goes_on_unchanged_to_its_users_partition_with_the_place_where_it_arrived() -> None:
    out = Outputs()
    line = arrivals_line(out, partition=2, partitions=5)
    clicks = [click(user, T0 + at, 10 + at, T0 + 7 * at) for at, user in enumerate(("alice", "bob", "Zoë"))]
    line.records(clicks)
    assert [partition for partition, _ in out.sent] == [
        murmur2_partition(user.encode(), 5) for user in ("alice", "bob", "Zoë")
    ]
    for at, (_, message) in enumerate(out.sent):
        source = clicks[at]
        assert (message.key(), message.value()) == (source.key(), source.value())
        assert message.timestamp() == (1, T0 + 7 * at)
        assert cast(Any, message).headers() == [("place", b"%s-2-%d" % (TOPIC.encode(), 10 + at))]
    assert line.state.stream_ms == T0 + 14
    assert line.flush() == []


def test_a_click_without_a_time_gets_the_time_of_its_sending() -> None:
    out = Outputs()
    arrivals_line(out).records([click("alice", T0, record_ms=-1)])
    assert out.sent[0][1].timestamp() == (1, 0)  # to the client 0 is now


def test_event_ids_and_letters_are_of_the_first_place_in_whatever_order_clicks_come() -> None:
    out, topic = Outputs(), TOPIC.encode()
    state = DictState(Plan(TOPIC, 1))
    line = ClicksLine(Pipeline(Plan(TOPIC, 1), state, 0, out), state, None, out, "", Arrivals(TOPIC, 3))
    line.table([profile("alice")])
    # Runs that look gapless and are not, other partitions in between, and what nobody should have written.
    places = ["0-5", "0-6", "2-7", "0-9", "0-7", "0-8", "1-1000", "1-1002", "1-1001", "0-0", "2-999"]
    messages = [
        moved(body(), [("place", topic + b"-" + at.encode())], offset=n) for n, at in enumerate(places)
    ]
    messages.insert(4, moved(body(), None, offset=77))
    messages.insert(9, moved(b"{", [("place", topic + b"-1-5")], offset=78))
    line.records(messages)
    assert [fields["event_id"] for fields, _, _ in out.clicks] == [f"{TOPIC}-{at}" for at in places]
    assert [(place, reason) for place, reason, _ in out.letters] == [
        (77, Reason.UNKNOWN_PLACE),
        (Place(TOPIC, 1, 5), Reason.NOT_JSON),
    ]
    assert line.counters.clicks == len(messages)


def test_a_click_that_is_set_aside_is_named_by_its_first_place() -> None:
    out = Outputs()
    clicks_line(out, partitions=3).set_aside(
        moved(body(), [("place", b"user-clicks-2-9")], offset=4), Reason.PROCESSING_FAILED, "why"
    )
    clicks_line(out).set_aside(moved(body(), None, offset=4), Reason.PROCESSING_FAILED, "why")
    arrivals_line(out).set_aside(record(None, b"", 5), Reason.OUTPUT_REFUSED, "why")
    out.bare = True  # not to be read once more
    clicks_line(out).set_aside(moved(body(), ONCE, offset=6), Reason.PROCESSING_FAILED, "why")
    assert [place for place, _, _ in out.letters] == [Place(TOPIC, 2, 9), 4, 5, 6]


VALID = "user-clicks-1-23"
UNREADABLE = (
    *("", "-", "user-clicks", "user-clicks-1", "user-clicks-1-", "user-clicks-1--2", "user-clicks-9-1"),
    *("user-clicks-01-1", "clicks-1-1", "user-clicks-1-\u0663", "user-clicks-1-+1", "user-clicks-1- 1"),
    *("user-clicks-1-1_0", f"{VALID}{'0' * 19}"),
)
ONCE: Pairs = [("place", VALID.encode())]
INVALID: list[Pairs | None] = [None, [], ONCE + ONCE, [("other", VALID.encode())], [("place", None)]]
INVALID += [[("place", text.encode())] for text in UNREADABLE]


@pytest.mark.parametrize("headers", INVALID, ids=range(len(INVALID)))
def test_only_a_place_of_these_clicks_is_one(headers: Pairs | None) -> None:
    odd, sound = moved(body(), headers), Arrivals(TOPIC, 3).arrived(moved(body(), ONCE))
    assert Arrivals(TOPIC, 3).arrived(odd) is odd
    assert isinstance(sound, Arrived)
    assert sound.place == Place(TOPIC, 1, 23)
