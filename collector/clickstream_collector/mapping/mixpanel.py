"""Mixpanel: everything is in the properties. Pure.

`distinct_id` begins with `$device:` for somebody who is not identified. The node library sends neither a time
nor an id of the event: it gets the time of arrival, and a retry of it cannot be told from a second click.
"""

from typing import Any

from clickstream_collector.mapping.click import Click, Event, Mapped, Pair
from clickstream_collector.mapping.event_time import corrected, seconds_or_ms
from clickstream_collector.mapping.fields import ANONYMOUS, as_text, identity, members, person, required
from clickstream_collector.mapping.vocabulary import Arrival, Batch, Vocabulary, popped_key

_DEVICE = "$device:"
_TAKEN = frozenset({"event", "properties"})


def split(document: Any) -> Batch:
    """Return the events of a list, or the one that is the whole body."""
    items = document if type(document) is list else [document]
    key = None
    for item in items:
        if type(item) is dict:
            found = popped_key(item, "token", "$token")
            properties = item.get("properties")
            if type(properties) is dict:
                found = popped_key(properties, "token") or found
            key = key or found
    return Batch(key, None, items)


def click(event: Event, arrival: Arrival) -> Mapped:
    """Return the click, and the pair of ids of a `$identify` or `$create_alias`."""
    action = required(event.get("event"), "event")
    properties = members(event.get("properties"), "properties")
    take = properties.pop
    user = identity(take("$user_id", None), "properties.$user_id")
    if user is None and action == "$identify":
        user = identity(properties.get("$identified_id"), "properties.$identified_id")
    distinct = identity(take("distinct_id", None), "properties.distinct_id")
    device = identity(properties.get("$device_id"), "properties.$device_id")
    if distinct is not None and distinct.startswith(_DEVICE):
        device = device or distinct.removeprefix(_DEVICE) or None
    elif user is None and distinct != device:
        user = distinct
    reported = seconds_or_ms(take("time", None), "properties.time")
    url = properties.get("$current_url") or properties.get("current_url")
    ip = take("ip", None)
    found = Click(
        user_id=person(user, device, "properties.distinct_id"),
        page_url=url if type(url) is str else "",
        action=action,
        timestamp=corrected(reported, None, arrival.received_ms),
        source="mixpanel",
        received_at=arrival.received_ms,
        message_id=as_text(take("$insert_id", None)),
        reported_at=reported,
        anonymous_id=device,
        ip=ip if type(ip) is str else None,
        properties=properties or None,
        original={name: value for name, value in event.items() if name not in _TAKEN} or None,
    )
    return found, _pair(action, properties, found)


def _pair(action: str, properties: Event, found: Click) -> Pair | None:
    if action == "$identify":
        given = identity(properties.get("$anon_distinct_id"), "properties.$anon_distinct_id")
        device = given.removeprefix(_DEVICE) if given else found.anonymous_id
        user = found.user_id
        previous = ANONYMOUS + device if device else None
    elif action == "$create_alias":
        user = identity(properties.get("alias"), "properties.alias") or ""
        previous = found.user_id
    else:
        return None
    if not user or previous is None or previous == user:
        return None
    return Pair(previous, user, found.timestamp, found.source)


VOCABULARY = Vocabulary(
    "mixpanel",
    "Mixpanel",
    split,
    click,
    (
        ("user_id", "`properties.$user_id` or `distinct_id`; `anon:` + the rest of `$device:...`"),
        ("page_url", "`properties.$current_url`, else `properties.current_url`"),
        ("action", "`event`"),
        ("timestamp", "`properties.time`, seconds or ms; without it the arrival"),
        ("message_id", "`properties.$insert_id`"),
        ("user_agent", "the header"),
        ("properties", "`properties`"),
        (
            "identities",
            "`$identify`: `anon:` + `$anon_distinct_id`; `$create_alias`: `distinct_id`, its user is `alias`",
        ),
    ),
)
