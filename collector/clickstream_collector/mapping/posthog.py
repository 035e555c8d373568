"""PostHog: node and Python have `distinct_id` in the event, posthog-js has it in the properties. Pure.

PostHog has one space of ids. An id is anonymous if it is that of the device, or if posthog-js says that the
person is not identified.
"""

from typing import Any

from clickstream_collector.mapping.click import Click, Event, Mapped, Pair, Refused
from clickstream_collector.mapping.event_time import corrected, time_ms
from clickstream_collector.mapping.fields import ANONYMOUS, as_text, identity, members, person, required
from clickstream_collector.mapping.vocabulary import Arrival, Batch, Vocabulary, popped_key

_TAKEN = frozenset({"event", "distinct_id", "uuid", "timestamp", "properties", "api_key", "token"})


def split(document: Any) -> Batch:
    """Return the events of `{batch: [...]}`, of a bare list, or the one that is the whole body."""
    key, sent = None, None
    items = document if type(document) is list else [document]
    if type(document) is dict:
        key, sent = popped_key(document, "api_key", "token"), document.get("sent_at")
        items = document.get("batch", items)
    if type(items) is not list:
        raise Refused("mistyped-field", "batch: expected a list")
    for item in items:
        if type(item) is dict:
            found = popped_key(item, "api_key", "token")
            properties = item.get("properties")
            if type(properties) is dict:
                found = popped_key(properties, "token") or found
            key = key or found
    return Batch(key, sent, items)


def click(event: Event, arrival: Arrival) -> Mapped:
    """Return the click, and the pair of ids of a `$identify` or `$create_alias`."""
    get = event.get
    action = required(get("event"), "event")
    properties = members(get("properties"), "properties")
    distinct = identity(get("distinct_id"), "distinct_id")
    if distinct is None:
        distinct = identity(properties.pop("distinct_id", None), "properties.distinct_id")
    is_device = properties.get("$is_identified") is False or (
        distinct is not None and distinct == properties.get("$device_id")
    )
    anonymous = distinct if is_device else None
    reported = time_ms(get("timestamp"), "timestamp")
    url = properties.get("$current_url")
    ip, agent = properties.pop("$ip", None), properties.pop("$raw_user_agent", None)
    found = Click(
        user_id=person(None if is_device else distinct, anonymous, "distinct_id"),
        page_url=url if type(url) is str else "",
        action=action,
        timestamp=corrected(reported, arrival.sent_ms, arrival.received_ms),
        source="posthog",
        received_at=arrival.received_ms,
        message_id=as_text(get("uuid")) or as_text(properties.get("$insert_id")),
        reported_at=reported,
        sent_at=arrival.sent_ms,
        session_id=as_text(properties.get("$session_id")),
        anonymous_id=anonymous,
        ip=ip if type(ip) is str else None,
        user_agent=agent if type(agent) is str else None,
        properties=properties or None,
        original={name: value for name, value in event.items() if name not in _TAKEN} or None,
    )
    return found, _pair(action, properties, found) if action in ("$identify", "$create_alias") else None


def _pair(action: str, properties: Event, found: Click) -> Pair | None:
    if action == "$create_alias":
        previous = identity(properties.get("alias"), "properties.alias")
    else:
        device = identity(properties.get("$anon_distinct_id"), "properties.$anon_distinct_id")
        previous = ANONYMOUS + device if device else None
    if previous is None or previous == found.user_id:
        return None
    return Pair(previous, found.user_id, found.timestamp, found.source)


VOCABULARY = Vocabulary(
    "posthog",
    "PostHog",
    split,
    click,
    (
        ("user_id", "`distinct_id`, of the event or of its properties; with `anon:` if it is `$device_id`"),
        ("page_url", "`properties.$current_url`"),
        ("action", "`event`, such as `$pageview`"),
        ("timestamp", "`timestamp`"),
        ("message_id", "`uuid`, else `properties.$insert_id`"),
        ("sent_at", "`sent_at` of the batch"),
        ("session_id", "`properties.$session_id`"),
        ("user_agent", "`properties.$raw_user_agent`, else the header"),
        ("properties", "`properties`; `$set` and `$set_once` are in `original`"),
        ("identities", "`$identify`: `anon:` + `$anon_distinct_id`; `$create_alias`: `alias`"),
    ),
)
