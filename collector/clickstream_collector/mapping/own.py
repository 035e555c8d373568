"""Our own clicks, as docs/reference/topics-and-records.md has them: one, a list, or one a line. Pure."""

from typing import Any

from clickstream_collector.mapping.click import OWN, Click, Event, Mapped, Refused
from clickstream_collector.mapping.event_time import corrected, lenient_ms, time_ms
from clickstream_collector.mapping.fields import as_text, identity, members, person, required, text
from clickstream_collector.mapping.vocabulary import Arrival, Batch, Vocabulary, popped_key

_TAKEN = frozenset(Click.__struct_fields__)


def split(document: Any) -> Batch:
    """Return the clicks of a body."""
    items = document if type(document) is list else [document]
    key = None
    for item in items:
        if type(item) is dict and ("write_key" in item or "writeKey" in item):
            found = popped_key(item, "write_key", "writeKey")
            key = key or found
    return Batch(key, None, items)


def click(event: Event, arrival: Arrival) -> Mapped:
    """Return the click."""
    anonymous = identity(event.get("anonymous_id"), "anonymous_id")
    user = identity(event.get("user_id"), "user_id")
    page = event.get("page_url")
    if type(page) is not str:
        raise Refused(*(("missing-field", "page_url") if page is None else ("mistyped-field", "page_url")))
    reported = time_ms(event.get("timestamp"), "timestamp")
    sent = lenient_ms(event.get("sent_at")) or arrival.sent_ms
    return (
        Click(
            user_id=person(user, anonymous, "user_id or anonymous_id"),
            page_url=page,
            action=required(event.get("action"), "action"),
            timestamp=corrected(reported, sent, arrival.received_ms),
            source=OWN,
            received_at=arrival.received_ms,
            message_id=as_text(event.get("message_id")),
            reported_at=reported,
            sent_at=sent,
            session_id=as_text(event.get("session_id")),
            anonymous_id=anonymous,
            ip=text(event.get("ip"), "ip"),
            user_agent=text(event.get("user_agent"), "user_agent"),
            properties=members(event.get("properties"), "properties") or None,
            original={name: value for name, value in event.items() if name not in _TAKEN} or None,
        ),
        None,
    )


VOCABULARY = Vocabulary(
    OWN,
    "Clicks of our own",
    split,
    click,
    (
        ("user_id", "`user_id`, else `anon:` + `anonymous_id`"),
        ("page_url", "`page_url`, required"),
        ("action", "`action`, required"),
        ("timestamp", "`timestamp`: ms or ISO 8601; without it the arrival"),
        ("message_id", "`message_id`"),
        ("sent_at", "`sent_at`: ms or ISO 8601"),
        ("session_id", "`session_id`"),
        ("properties", "`properties`"),
        ("other fields", "stay where they are: `click.NAME`"),
    ),
)
