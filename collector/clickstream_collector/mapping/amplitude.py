"""Amplitude: the HTTP API, version 2. Pure."""

from typing import Any

from clickstream_collector.mapping.click import Click, Event, Mapped, Pair, Refused
from clickstream_collector.mapping.event_time import corrected, time_ms
from clickstream_collector.mapping.fields import ANONYMOUS, as_text, identity, members, person, required
from clickstream_collector.mapping.vocabulary import Arrival, Batch, Vocabulary, popped_key

_PAGE = "[Amplitude] Page Location"
_SENDERS = "$remote"  # as `ip`: the address the request came from
_TAKEN = frozenset(
    {
        "event_type", "user_id", "device_id", "session_id", "time", "insert_id", "event_properties", "ip",
        "user_agent", "api_key",
    }
)  # fmt: skip


def split(document: Any) -> Batch:
    """Return the events of `{api_key, events: [...]}`."""
    if type(document) is not dict:
        raise Refused("mistyped-field", "expected an object")
    key = popped_key(document, "api_key")
    items = document.get("events")
    if type(items) is not list:
        raise Refused("missing-field" if items is None else "mistyped-field", "events: expected a list")
    return Batch(key, None, items)


def click(event: Event, arrival: Arrival) -> Mapped:
    """Return the click, and the pair of ids of a `$identify`."""
    get = event.get
    action = required(get("event_type"), "event_type")
    user, device = identity(get("user_id"), "user_id"), identity(get("device_id"), "device_id")
    properties = members(get("event_properties"), "event_properties")
    reported = time_ms(get("time"), "time")
    url, ip, agent = properties.get(_PAGE), get("ip"), get("user_agent")
    found = Click(
        user_id=person(user, device, "user_id or device_id"),
        page_url=url if type(url) is str else "",
        action=action,
        timestamp=corrected(reported, None, arrival.received_ms),
        source="amplitude",
        received_at=arrival.received_ms,
        message_id=as_text(get("insert_id")),
        reported_at=reported,
        session_id=as_text(get("session_id")),
        anonymous_id=device,
        ip=ip if type(ip) is str and ip != _SENDERS else None,
        user_agent=agent if type(agent) is str else None,
        properties=properties or None,
        original={name: value for name, value in event.items() if name not in _TAKEN} or None,
    )
    if action == "$identify" and user is not None and device is not None:
        return found, Pair(ANONYMOUS + device, user, found.timestamp, found.source)
    return found, None


VOCABULARY = Vocabulary(
    "amplitude",
    "Amplitude",
    split,
    click,
    (
        ("user_id", "`user_id`, else `anon:` + `device_id`"),
        ("page_url", f'`event_properties["{_PAGE}"]`'),
        ("action", "`event_type`"),
        ("timestamp", "`time`, ms"),
        ("message_id", "`insert_id`"),
        ("session_id", "`session_id`"),
        ("user_agent", "`user_agent`, else the header"),
        ("properties", "`event_properties`; `user_properties` are in `original`"),
        ("identities", "`$identify` with both ids: `anon:` + `device_id`"),
    ),
)
