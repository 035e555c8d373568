"""What is no Unicode: never two ids that become one, and no event lost without a trace."""

import json
from typing import Any

import msgspec
import pytest
from clickstream_collector.bodies.json_text import decoded
from clickstream_collector.http.reading import in_query
from clickstream_collector.http.routes import EVENT_ROUTES
from clickstream_collector.intake import Taken, take
from clickstream_collector.mapping.vocabularies import ALL
from clickstream_collector.mapping.vocabulary import Arrival, Batch
from clickstream_collector.sender.privacy import Privacy, Sender
from collector_support import bodies

NOW = 1_795_875_262_626
CLICK = b'{"user_id":"a","page_url":"/","action":"view",%b}'
VOCABULARIES = {each.name: each for each in ALL}
# Halves of a character as JSON escapes them, and bytes that are not UTF-8.
BROKEN = [rb"x\ud800", rb"\udfffx", b"x\xff", b"\xed\xa0\x80"]

# Events with a mark in the place of each id: of people, messages and sessions.
EVENTS: list[tuple[str, dict[str, Any]]] = [
    ("clicks", {**bodies.own("ID1"), "anonymous_id": "ID2", "message_id": "ID3", "session_id": "ID4"}),
    ("segment", {"type": "alias", "userId": "ID1", "previousId": "ID2", "messageId": "ID3"}),
    ("segment", {"type": "identify", "userId": "ID1", "anonymousId": "ID2"}),
    ("segment", {"type": "page", "anonymousId": "ID1", "context": {"sessionId": "ID2"}}),
    ("rudderstack", {"type": "alias", "channel": "web", "userId": "ID1", "previousId": "ID2"}),
    ("posthog", {"event": "e", "distinct_id": "ID1", "uuid": "ID2", "properties": {"$session_id": "ID3"}}),
    ("posthog", {"event": "$identify", "distinct_id": "ID1", "properties": {"$anon_distinct_id": "ID2"}}),
    ("posthog", {"event": "$create_alias", "distinct_id": "ID1", "properties": {"alias": "ID2"}}),
    ("snowplow", {"e": "pv", "uid": "ID1", "duid": "ID2", "eid": "ID3", "sid": "ID4"}),
    ("amplitude", {"event_type": "$identify", "user_id": "ID1", "device_id": "ID2", "insert_id": "ID3"}),
    ("amplitude", {"event_type": "e", "user_id": "ID1", "session_id": "ID2"}),
    ("mixpanel", {"event": "e", "properties": {"distinct_id": "ID1", "$insert_id": "ID2"}}),
    ("mixpanel", {"event": "$create_alias", "properties": {"distinct_id": "ID1", "alias": "ID2"}}),
]
PLACES = [
    pytest.param(name, text, f"ID{number}", id=f"{name}-{row}-{number}")
    for row, (name, event) in enumerate(EVENTS)
    for text in [json.dumps(event)]
    for number in range(1, text.count("ID") + 1)
]


def taken_of(event: Any, vocabulary: str = "clicks", agent: str | None = None) -> Taken:
    """Return what becomes of one event."""
    batch = Batch(None, None, [event])
    return take(VOCABULARIES[vocabulary], batch, Arrival(NOW), Privacy(), Sender(None, agent), "/v1/clicks")


def click_of(taken: Taken) -> Any:
    """Return the one click."""
    assert not taken.letters
    return msgspec.json.decode(taken.clicks[0][1])


@pytest.mark.parametrize("broken", BROKEN, ids=repr)
@pytest.mark.parametrize(("vocabulary", "text", "mark"), PLACES)
def test_event_with_a_broken_id_is_a_dead_letter(
    vocabulary: str, text: str, mark: str, broken: bytes
) -> None:
    whole = taken_of(decoded(text.encode()), vocabulary)
    assert (len(whole.clicks), len(whole.letters)) == (1, 0)
    taken = taken_of(decoded(text.encode().replace(mark.encode(), broken)), vocabulary)
    assert (taken.clicks, taken.pairs) == ([], [])
    (letter,) = taken.letters
    headers = dict(letter.headers)
    assert headers["reason"] == "mistyped-field"
    assert str(headers["detail"]).endswith("holds a lone surrogate or bytes that are not UTF-8")


def test_a_dead_letter_tells_two_broken_ids_apart() -> None:
    ids = (rb"\ud800", rb"\ud801", b"\xff", b"\xfe", rb"\ufffd")
    events = [decoded(CLICK.replace(b'"a"', b'"' + each + b'"') % b'"x":1') for each in ids]
    values = {letter.value for event in events for letter in taken_of(event).letters}
    assert len(values) == 4
    assert [value for value in values if not value.isascii()] == []
    assert len(taken_of(events[-1]).clicks) == 1  # U+FFFD itself is a character like any other


def test_other_broken_texts_cost_only_their_halves() -> None:
    event = decoded(CLICK % rb'"properties":{"x":["cut \ud83d",{"y":"\udfff!"}]},"colour":"\ud800"')
    click = click_of(taken_of(event))
    assert click["properties"] == {"x": ["cut �", {"y": "�!"}]}
    assert click["colour"] == "�"


@pytest.mark.parametrize("name", [rb"\ud800", b"\xff"], ids=repr)
def test_broken_name_of_a_field_is_a_dead_letter(name: bytes) -> None:
    """Two names that differ in it would be one name after it, and one of the values lost."""
    taken = taken_of(decoded(CLICK % (b'"properties":{"' + name + b'":1,"\\ud801":2}')))
    assert [why.reason for _, why in taken.refused] == ["mistyped-field"]
    assert json.loads(taken.letters[0].value)["properties"].popitem() == ("\ud801", 2)


def test_broken_user_agent_does_not_cost_the_event() -> None:
    assert click_of(taken_of(bodies.own(), agent="a\udcff"))["user_agent"] == "a�"


def test_ids_of_a_query_are_as_those_of_a_body() -> None:
    (pixel,) = [route for route in EVENT_ROUTES if route.path == "/v1/pixel.gif"]
    query = "user_id={}&page_url=/&action=a+b%20c&empty="
    found = [in_query(pixel, query.format(each), 1_000) for each in ("%ff", "%fe", "%C3%BC")]
    assert found[2] == {"user_id": "ü", "page_url": "/", "action": "a b c", "empty": ""}
    taken = [taken_of(event) for event in found]
    assert [len(each.letters) for each in taken] == [1, 1, 0]
    assert taken[0].letters[0].value != taken[1].letters[0].value
