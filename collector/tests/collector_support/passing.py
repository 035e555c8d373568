"""One request on its way from bytes to records and an answer, without network and Kafka, and what must hold.

`data` is a route, a content type, a coding and a body (or a query), so that a fuzzer can change each.
"""

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
from clickstream_collector import mapping
from clickstream_collector.bodies.compression import CODINGS
from clickstream_collector.bodies.content import TYPES
from clickstream_collector.errors import BodyTooLarge, UnknownEncoding, UnreadableBody
from clickstream_collector.http import answers, problems
from clickstream_collector.http.problems import Problem
from clickstream_collector.http.reading import in_body, in_query
from clickstream_collector.http.routes import EVENT_ROUTES, Reading, Route
from clickstream_collector.intake import MAX_DETAIL_CHARS, MAX_LETTER_BYTES, Taken, take
from clickstream_collector.mapping.click import MAX_CLICK_BYTES, MAX_DEPTH, MAX_ID_BYTES, Refused, depth
from clickstream_collector.mapping.event_time import EARLIEST_MS, lenient_ms
from clickstream_collector.mapping.vocabulary import Arrival
from clickstream_collector.sender.privacy import Privacy, Sender

from collector_support import bodies

NOW = 1_795_875_262_626
LIMIT = 65_536
REASONS = {"not-json", "missing-field", "mistyped-field", "implausible-time", "oversized"}
SENDER = Sender("192.0.2.1", "Mozilla/5.0 \udcff")
_QUERIES = (Reading.QUERY, Reading.QUERY_DATA)

ODD: list[Any] = [
    None, True, 0, -1, 2**70, 1.5, 1e300, "", "x", "\ud800", "x" * 1_100, "2026-11-28", "e30", "identify", [],
    [[]], [1], {}, {"a": []},
]  # fmt: skip


def packed(route: Route, body: bytes, kind: str = "", coding: str = "") -> bytes:
    """Return a request as the bytes that `passed` takes."""
    return bytes([EVENT_ROUTES.index(route), TYPES.index(kind), CODINGS.index(coding)]) + body


def passed(data: bytes) -> Taken | None:
    """Return what was taken of a request, None where it was refused. Fails where a rule does not hold."""
    if len(data) < 3:
        return None
    route = EVENT_ROUTES[data[0] % len(EVENT_ROUTES)]
    kind, coding = TYPES[data[1] % len(TYPES)], CODINGS[data[2] % len(CODINGS)]
    first = _taken(route, kind, coding, data[3:])
    again = _taken(route, kind, coding, data[3:])
    assert first == again or _told(first) == _told(again), "the same request gave something else"
    return first


def documents(vocabulary: str) -> list[Any]:
    """Return bodies of SDKs."""
    made: dict[str, list[Any]] = {
        "clicks": [bodies.own()],
        "rudderstack": [
            bodies.segment_node(),
            bodies.segment_python(),
            bodies.rudder_node(),
            bodies.rudder_js(),
        ],
        "posthog": [bodies.posthog_node(), bodies.posthog_js()],
        "snowplow": [bodies.snowplow()],
        "amplitude": [bodies.amplitude()],
        "mixpanel": [bodies.mixpanel()],
    }
    return made[vocabulary]


def names(vocabulary: str) -> set[str]:
    """Return every text in the code of a vocabulary's mapping: names of members are among them."""
    modules = {"clicks": ("own",), "rudderstack": ("segment", "rudderstack")}.get(vocabulary, (vocabulary,))
    folder = Path(mapping.__path__[0])
    trees = [ast.parse((folder / f"{each}.py").read_text()) for each in modules]
    constants = [node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return {each for each in constants if isinstance(each, str) and " " not in each and 0 < len(each) < 40}


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the objects in a document."""
    if isinstance(value, dict):
        yield value
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from objects(each)


def seeds() -> Iterator[bytes]:
    """Yield requests of SDKs, on each path."""
    own, pixel, *others = EVENT_ROUTES
    yield packed(own, _json(bodies.own()))
    yield packed(own, _json(bodies.own()) + b"\n" + _json({"x": "\ud800"}), "application/x-ndjson")
    yield packed(pixel, urlencode({"user_id": "a", "page_url": "/", "action": "view"}).encode())
    for route in others:
        for document in documents(route.vocabulary.name):
            if route.reading is Reading.QUERY:
                yield packed(route, urlencode(bodies.snowplow_query()).encode())
            elif route.reading is Reading.QUERY_DATA:
                yield packed(route, bodies.form(document))
            else:
                yield packed(route, _json(document))
                yield packed(route, bodies.form(document), "application/x-www-form-urlencoded")


def _json(document: object) -> bytes:
    return json.dumps(document).encode()


def _told(taken: Taken | None) -> object:
    """Return all that is written: refusals are exceptions, which are equal to themselves only."""
    if taken is None:
        return None
    letters = [(each.value, each.headers) for each in taken.letters]
    return taken.clicks, taken.pairs, letters, [(at, why.args) for at, why in taken.refused], taken.bots


def _taken(route: Route, kind: str, coding: str, body: bytes) -> Taken | None:
    try:
        if route.reading in _QUERIES:
            document = in_query(route, body.decode("utf-8", "surrogateescape"), LIMIT)
        else:
            document = in_body(route, body, kind, coding, LIMIT)
        batch = route.vocabulary.split(document)
        arrival = Arrival(NOW, lenient_ms(batch.sent), route.kind)
        taken = take(route.vocabulary, batch, arrival, Privacy(), SENDER, route.path)
        again = take(route.vocabulary, batch, arrival, Privacy(), SENDER, route.path)
    except (UnreadableBody, UnknownEncoding, BodyTooLarge, Refused) as error:
        problems.malformed(str(getattr(error, "detail", error))).response()
        return None
    assert _told(taken) == _told(again), "a mapping changed the event"
    assert len(taken.clicks) + len(taken.letters) + taken.bots == len(batch.items)
    _check(taken)
    _answer(route, taken, is_batch=type(document) is list)
    return taken


def _check(taken: Taken) -> None:
    for key, value in taken.clicks:
        click = msgspec.json.decode(value)  # strict: JSON, and UTF-8
        assert click["user_id"].encode() == key
        assert 0 < len(key) <= MAX_ID_BYTES
        assert len(value) <= MAX_CLICK_BYTES
        assert depth(value) <= MAX_DEPTH
        assert isinstance(click["page_url"], str)
        assert click["action"]
        assert EARLIEST_MS <= click["timestamp"] <= NOW
    for key, value in taken.pairs:
        pair = msgspec.json.decode(value)
        assert pair["previous_id"].encode() == key
        assert 0 < len(key) <= MAX_ID_BYTES
        assert 0 < len(pair["user_id"].encode()) <= MAX_ID_BYTES
    for letter in taken.letters:
        headers: dict[str, Any] = dict(letter.headers)
        assert headers["reason"] in REASONS
        assert len(headers["detail"]) <= MAX_DETAIL_CHARS
        assert all(text.encode() for text in headers.values())
        assert len(letter.value) <= MAX_LETTER_BYTES
        if "original-size" not in headers:
            json.loads(letter.value)


def _answer(route: Route, taken: Taken, *, is_batch: bool) -> None:
    """Answer as the port would; Kafka has all."""
    try:
        response = answers.success(route.answer, taken, verbose=False, is_batch=is_batch)
    except Problem as problem:
        response = problem.response()
    assert response.status in (200, 400)
