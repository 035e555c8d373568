"""Each vocabulary's event becomes the same click: the right user, page, action, time, id and properties."""

from copy import deepcopy
from typing import Any

import pytest
from clickstream_collector.mapping import amplitude, mixpanel, own, posthog, rudderstack, snowplow
from clickstream_collector.mapping.click import Click, Pair, Refused
from clickstream_collector.mapping.event_time import lenient_ms
from clickstream_collector.mapping.vocabulary import Arrival, Vocabulary
from collector_support import bodies
from collector_support.bodies import ACTION, EVENT_MS, URL, USER

LATER_MS = EVENT_MS + 400

CASES: dict[str, tuple[Vocabulary, Any]] = {
    "own": (own.VOCABULARY, bodies.own()),
    "segment-node": (rudderstack.VOCABULARY, bodies.segment_node()),
    "segment-python": (rudderstack.VOCABULARY, bodies.segment_python()),
    "rudder-node": (rudderstack.VOCABULARY, bodies.rudder_node()),
    "rudder-js": (rudderstack.VOCABULARY, bodies.rudder_js()),
    "posthog-node": (posthog.VOCABULARY, bodies.posthog_node()),
    "posthog-js": (posthog.VOCABULARY, bodies.posthog_js()),
    "snowplow-post": (snowplow.VOCABULARY, bodies.snowplow()),
    "snowplow-get": (snowplow.VOCABULARY, bodies.snowplow_query()),
    "amplitude": (amplitude.VOCABULARY, bodies.amplitude()),
    "mixpanel": (mixpanel.VOCABULARY, bodies.mixpanel()),
}


def mapped(
    vocabulary: Vocabulary, document: Any, received_ms: int = EVENT_MS, kind: str | None = None
) -> tuple[Click, Pair | None]:
    """Return the only click of a body that arrives at a time."""
    batch = vocabulary.split(deepcopy(document))  # it takes the key out
    (event,) = batch.items
    return vocabulary.click(event, Arrival(received_ms, lenient_ms(batch.sent), kind))


@pytest.mark.parametrize(("vocabulary", "body"), CASES.values(), ids=CASES)
def test_event_becomes_the_click(vocabulary: Vocabulary, body: Any) -> None:
    click, pair = mapped(vocabulary, body)
    assert (click.user_id, click.page_url, click.action, click.timestamp) == (USER, URL, ACTION, EVENT_MS)
    assert click.reported_at == EVENT_MS
    assert click.message_id
    assert pair is None
    properties = click.properties or {}
    assert (properties["product"], properties["quantity"]) == ({"id": "sku-42"}, 2)


@pytest.mark.parametrize(("vocabulary", "body"), CASES.values(), ids=CASES)
def test_no_write_key_stays_in_an_event(vocabulary: Vocabulary, body: Any) -> None:
    batch = vocabulary.split(deepcopy(body))
    click, _ = vocabulary.click(batch.items[0], Arrival(EVENT_MS))
    assert "wk-4f1c" not in repr(click)


@pytest.mark.parametrize(
    ("name", "corrects"),
    [
        ("segment-node", True),
        ("rudder-node", True),
        ("posthog-node", True),
        ("snowplow-post", True),
        ("amplitude", False),
        ("mixpanel", False),
    ],
)
def test_time_is_corrected_where_the_sender_says_when_it_sent(name: str, corrects: bool) -> None:
    vocabulary, body = CASES[name]
    click, _ = mapped(vocabulary, body, LATER_MS)
    assert click.timestamp == (LATER_MS if corrects else EVENT_MS)
    assert click.reported_at == EVENT_MS
    assert click.sent_at == (EVENT_MS if corrects else None)


def test_session_ids_are_text() -> None:
    assert mapped(rudderstack.VOCABULARY, bodies.rudder_js())[0].session_id == "1795875572219"
    assert mapped(posthog.VOCABULARY, bodies.posthog_js())[0].session_id == "01a2-session"
    assert mapped(amplitude.VOCABULARY, bodies.amplitude())[0].session_id == "1795875631376"
    assert mapped(snowplow.VOCABULARY, bodies.snowplow())[0].session_id == "s-1"


def test_what_has_no_field_of_its_own_is_kept_in_original() -> None:
    click, _ = mapped(rudderstack.VOCABULARY, bodies.segment_node(integrations={"All": True}))
    assert click.original == {"integrations": {"All": True}, "context": {"page": {"url": URL}}}
    assert click.user_agent == "Mozilla/5.0 (X11; Linux x86_64)"


@pytest.mark.parametrize(
    ("vocabulary", "document", "user"),
    [
        (own.VOCABULARY, {"anonymous_id": "b1", "page_url": "/", "action": "view"}, "anon:b1"),
        (rudderstack.VOCABULARY, {"type": "page", "anonymousId": "b1", "userId": None}, "anon:b1"),
        (
            posthog.VOCABULARY,
            {"event": "x", "distinct_id": "b1", "properties": {"$device_id": "b1"}},
            "anon:b1",
        ),
        (
            posthog.VOCABULARY,
            {"event": "x", "properties": {"distinct_id": "b1", "$is_identified": False}},
            "anon:b1",
        ),
        (snowplow.VOCABULARY, {"e": "pv", "duid": "b1"}, "anon:b1"),
        (amplitude.VOCABULARY, {"events": [{"event_type": "x", "device_id": "b1"}]}, "anon:b1"),
        (mixpanel.VOCABULARY, {"event": "x", "properties": {"distinct_id": "$device:b1"}}, "anon:b1"),
        (rudderstack.VOCABULARY, {"type": "page", "userId": 42}, "42"),
    ],
    ids=["own", "segment", "posthog-device", "posthog-js", "snowplow", "amplitude", "mixpanel", "number"],
)
def test_user_is_the_users_id_else_the_anonymous_one(
    vocabulary: Vocabulary, document: Any, user: str
) -> None:
    assert mapped(vocabulary, document)[0].user_id == user


@pytest.mark.parametrize(
    ("vocabulary", "document", "previous"),
    [
        (rudderstack.VOCABULARY, {"type": "identify", "userId": USER, "anonymousId": "b1"}, "anon:b1"),
        (rudderstack.VOCABULARY, {"type": "alias", "userId": USER, "previousId": "old7"}, "old7"),
        (
            posthog.VOCABULARY,
            {"event": "$identify", "distinct_id": USER, "properties": {"$anon_distinct_id": "b1"}},
            "anon:b1",
        ),
        (
            posthog.VOCABULARY,
            {"event": "$create_alias", "distinct_id": USER, "properties": {"alias": "old7"}},
            "old7",
        ),
        (
            amplitude.VOCABULARY,
            {"events": [{"event_type": "$identify", "user_id": USER, "device_id": "b1"}]},
            "anon:b1",
        ),
        (
            mixpanel.VOCABULARY,
            {"event": "$identify", "properties": {"$identified_id": USER, "$anon_distinct_id": "$device:b1"}},
            "anon:b1",
        ),
    ],
    ids=["identify", "alias", "posthog", "posthog-alias", "amplitude", "mixpanel"],
)  # fmt: skip
def test_identify_and_alias_give_a_pair_of_ids(vocabulary: Vocabulary, document: Any, previous: str) -> None:
    _, pair = mapped(vocabulary, document)
    assert pair is not None
    assert (pair.previous_id, pair.user_id) == (previous, USER)


def test_identify_of_one_id_alone_gives_no_pair() -> None:
    assert mapped(rudderstack.VOCABULARY, {"type": "identify", "userId": USER})[1] is None


@pytest.mark.parametrize(
    ("event", "action"),
    [
        ({"type": "page", "name": "Home"}, "page Home"),
        ({"type": "page"}, "page"),
        ({"type": "group", "groupId": "g"}, "group"),
        ({"type": "identify", "traits": {"plan": "pro"}}, "identify"),
    ],
)
def test_action_of_what_is_no_track_is_its_type(event: Any, action: str) -> None:
    assert mapped(rudderstack.VOCABULARY, {**event, "userId": USER})[0].action == action


def test_the_path_says_the_type_where_the_event_does_not() -> None:
    click, _ = mapped(rudderstack.VOCABULARY, {"event": "buy", "userId": USER}, kind="track")
    assert click.action == "buy"


def test_a_time_that_the_caller_gave_goes_before_the_original() -> None:
    event = {**bodies.rudder_js(), "timestamp": "2026-11-28T14:00:00Z"}
    assert mapped(rudderstack.VOCABULARY, event)[0].timestamp == 1_795_874_400_000


def test_true_time_of_snowplow_is_not_corrected() -> None:
    event = {"e": "pv", "uid": USER, "ttm": str(EVENT_MS - 1_000), "dtm": "1", "stm": "2"}
    assert mapped(snowplow.VOCABULARY, event)[0].timestamp == EVENT_MS - 1_000


def test_structured_event_of_snowplow_is_named_by_its_action() -> None:
    event = {"e": "se", "uid": USER, "se_ca": "shop", "se_ac": "add", "se_va": "2"}
    click, _ = mapped(snowplow.VOCABULARY, event)
    assert (click.action, click.properties) == ("add", {"category": "shop", "action": "add", "value": "2"})


def test_mixpanel_node_without_time_gets_the_arrival() -> None:
    click, _ = mapped(mixpanel.VOCABULARY, {"event": "x", "properties": {"distinct_id": USER}})
    assert (click.timestamp, click.reported_at) == (EVENT_MS, None)


def test_fields_of_our_own_clicks_that_have_no_name_stay_beside_the_others() -> None:
    click, _ = mapped(own.VOCABULARY, {**bodies.own(), "shop": "north"})
    assert click.original == {"shop": "north"}


@pytest.mark.parametrize(
    ("vocabulary", "document", "reason"),
    [
        (own.VOCABULARY, {"page_url": "/", "action": "view"}, "missing-field"),
        (own.VOCABULARY, {"user_id": "a", "action": "view"}, "missing-field"),
        (own.VOCABULARY, {"user_id": "a", "page_url": 1, "action": "view"}, "mistyped-field"),
        (own.VOCABULARY, {"user_id": True, "page_url": "/", "action": "view"}, "mistyped-field"),
        (own.VOCABULARY, {"user_id": "é" * 600, "page_url": "/", "action": "view"}, "oversized"),
        (
            own.VOCABULARY,
            {"user_id": "a", "page_url": "/", "action": "v", "timestamp": 1690000000},
            "implausible-time",
        ),
        (
            own.VOCABULARY,
            {"user_id": "a", "page_url": "/", "action": "v", "timestamp": "soon"},
            "implausible-time",
        ),
        (rudderstack.VOCABULARY, {"type": "dance", "userId": "a"}, "mistyped-field"),
        (rudderstack.VOCABULARY, {"type": "track", "userId": "a"}, "missing-field"),
        (rudderstack.VOCABULARY, {"type": "page", "userId": "a", "properties": 7}, "mistyped-field"),
        (snowplow.VOCABULARY, {"e": "ue", "uid": "a", "ue_px": "!!"}, "not-json"),
        (amplitude.VOCABULARY, {"events": [{"user_id": "a"}]}, "missing-field"),
    ],
)
def test_what_is_no_click_is_refused_with_its_reason(
    vocabulary: Vocabulary, document: Any, reason: str
) -> None:
    with pytest.raises(Refused) as refused:
        mapped(vocabulary, document)
    assert refused.value.reason == reason
