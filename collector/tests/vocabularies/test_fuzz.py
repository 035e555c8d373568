"""Whatever JSON an event is, it becomes a click that a processor can read, or a dead letter with a reason."""

import contextlib
from typing import Any

import msgspec
import pytest
from clickstream_collector.bodies.compression import decompressed
from clickstream_collector.bodies.content import clicks_document, document
from clickstream_collector.bodies.json_text import Unwritable
from clickstream_collector.errors import CollectorError
from clickstream_collector.intake import take
from clickstream_collector.mapping.click import MAX_CLICK_BYTES, Refused
from clickstream_collector.mapping.event_time import EARLIEST_MS
from clickstream_collector.mapping.vocabularies import ALL
from clickstream_collector.mapping.vocabulary import Arrival, Batch, Vocabulary
from clickstream_collector.sender.privacy import Privacy, Sender
from clickstream_local.testing.randomised import examples
from hypothesis import given, settings
from hypothesis import strategies as st

NOW = 1_795_875_262_626
REASONS = {"not-json", "missing-field", "mistyped-field", "implausible-time", "oversized"}
NAMES = [
    *("user_id", "anonymous_id", "page_url", "action", "timestamp", "sent_at", "properties", "type", "event"),
    *("name", "userId", "anonymousId", "previousId", "messageId", "originalTimestamp", "context", "traits"),
    *("distinct_id", "uuid", "$device_id", "$current_url", "e", "uid", "duid", "dtm", "stm", "ttm", "ue_pr"),
    *("ue_px", "co", "se_ac", "event_type", "device_id", "time", "event_properties", "ip", "url", "page"),
    *("sessionId", "alias", "batch", "data", "events"),
]

values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["\ud800", "a\udfffb", 2**70, Unwritable("NaN")])
    | st.sampled_from(["track", "identify", "alias", "ue", "se", "$identify", "2026-11-28T14:14:22Z", "e30"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=12,
)


@pytest.mark.parametrize("vocabulary", ALL, ids=lambda each: each.name)
@given(document=values)
@settings(max_examples=examples(120))
def test_any_document_is_clicks_or_dead_letters(vocabulary: Vocabulary, document: Any) -> None:
    try:
        batch = vocabulary.split(document)
    except Refused:
        return
    taken = take(vocabulary, batch, Arrival(NOW), Privacy(), Sender("192.0.2.1", "Mozilla/5.0"), "/x")
    assert len(taken.clicks) + len(taken.letters) == len(batch.items)
    assert {dict(letter.headers)["reason"] for letter in taken.letters} <= REASONS
    for key, value in taken.clicks:
        click = msgspec.json.decode(value)
        assert click["user_id"].encode() == key
        assert isinstance(click["page_url"], str)
        assert click["action"]
        assert EARLIEST_MS <= click["timestamp"] <= NOW
        assert len(value) <= MAX_CLICK_BYTES


@given(body=st.binary(max_size=200) | st.text(max_size=50).map(str.encode))
@settings(max_examples=examples(300))
def test_any_bytes_are_a_document_or_refused(body: bytes) -> None:
    with contextlib.suppress(CollectorError):
        document(body, 1_000)
    with contextlib.suppress(CollectorError):
        clicks_document(body, "", 1_000)


@pytest.mark.parametrize("coding", ["", "gzip", "deflate", "br"])
@given(body=st.binary(max_size=200))
@settings(max_examples=examples(100))
def test_any_bytes_are_decompressed_or_refused(coding: str, body: bytes) -> None:
    try:
        assert len(decompressed(body, coding, 1_000)) <= 1_000
    except CollectorError:
        return


def test_one_bad_event_does_not_cost_its_neighbours() -> None:
    own = ALL[0]
    good = {"user_id": "a", "page_url": "/", "action": "view"}
    batch = Batch(None, None, [good, {"user_id": "a"}, 7, good])
    taken = take(own, batch, Arrival(NOW), Privacy(), Sender(None, None), "/v1/clicks")
    assert len(taken.clicks) == 2
    assert [place for place, _ in taken.refused] == [1, 2]
    assert [letter.value for letter in taken.letters] == [b'{"user_id":"a"}', b"7"]
    assert dict(taken.letters[0].headers)["source-path"] == "/v1/clicks"
