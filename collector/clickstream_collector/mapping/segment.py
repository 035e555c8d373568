"""Segment's spec: track, page, screen, identify, group, alias. Pure.

RudderStack and Jitsu speak it too, with differences of their own (rudderstack.py).
"""

from typing import Any

from clickstream_collector.mapping.click import Click, Event, Mapped, Pair, Refused
from clickstream_collector.mapping.event_time import corrected, lenient_ms, time_ms
from clickstream_collector.mapping.fields import ANONYMOUS, as_text, identity, members, person, required
from clickstream_collector.mapping.vocabulary import Arrival, Batch, Vocabulary, popped_key

KINDS = frozenset({"track", "page", "screen", "identify", "group", "alias"})
_TAKEN = frozenset(
    {
        "type", "event", "name", "userId", "anonymousId", "messageId", "timestamp", "originalTimestamp",
        "sentAt", "properties", "traits", "context", "writeKey",
    }
)  # fmt: skip


def split(document: Any) -> Batch:
    """Return the events of `{batch: [...]}`, or the one that is the whole body."""
    if type(document) is not dict:
        raise Refused("mistyped-field", "expected an object")
    key = popped_key(document, "writeKey")
    if "batch" not in document:
        return Batch(key, None, [document])
    items = document["batch"]
    if type(items) is not list:
        raise Refused("mistyped-field", "batch: expected a list")
    for item in items:
        if type(item) is dict and "writeKey" in item:
            found = popped_key(item, "writeKey")
            key = key or found
    return Batch(key, document.get("sentAt"), items)


def click(event: Event, arrival: Arrival, source: str = "segment") -> Mapped:
    """Return the click, and the pair of ids of an `identify` or `alias`."""
    get = event.get
    kind = get("type") or arrival.kind
    if type(kind) is not str or kind not in KINDS:
        raise Refused(
            "mistyped-field" if kind else "missing-field", f"type: one of {', '.join(sorted(KINDS))}"
        )
    user, anonymous = identity(get("userId"), "userId"), identity(get("anonymousId"), "anonymousId")
    context = members(get("context"), "context")
    properties = members(get("traits" if kind in ("identify", "group") else "properties"), "properties")
    reported = time_ms(get("timestamp"), "timestamp")
    if reported is None:
        reported = time_ms(get("originalTimestamp"), "originalTimestamp")
    sent = lenient_ms(get("sentAt")) if "sentAt" in event else arrival.sent_ms
    ip, agent = context.pop("ip", None), context.pop("userAgent", None)
    page = context.get("page")
    url = page.get("url") if type(page) is dict else None
    if type(url) is not str:
        url = properties.get("url")
    beside = {name: value for name, value in event.items() if name not in _TAKEN and value is not None}
    if context:
        beside["context"] = context
    name = get("name")
    found = Click(
        user_id=person(user, anonymous, "userId or anonymousId"),
        page_url=url if type(url) is str else "",
        action=required(get("event"), "event") if kind == "track" else _named(kind, name),
        timestamp=corrected(reported, sent, arrival.received_ms),
        source=source,
        received_at=arrival.received_ms,
        message_id=as_text(get("messageId")),
        reported_at=reported,
        sent_at=sent,
        session_id=as_text(context.get("sessionId")),
        anonymous_id=anonymous,
        ip=ip if type(ip) is str else None,
        user_agent=agent if type(agent) is str else None,
        properties=properties or None,
        original=beside or None,
    )
    return found, None if kind == "track" else _pair(kind, event, user, anonymous, found)


def _named(kind: str, name: Any) -> str:
    return f"{kind} {name}" if type(name) is str and name and kind in ("page", "screen") else kind


def _pair(kind: str, event: Event, user: str | None, anonymous: str | None, found: Click) -> Pair | None:
    """Return the ids that the event ties together; None where it names only one."""
    previous = None
    if kind == "identify" and anonymous is not None:
        previous = ANONYMOUS + anonymous
    elif kind == "alias":
        given = identity(event.get("previousId"), "previousId")
        if given is None and anonymous is not None:
            previous = ANONYMOUS + anonymous
        else:
            previous = ANONYMOUS + given if given is not None and given == anonymous else given
    if user is None or previous is None or previous == user:
        return None
    return Pair(previous, user, found.timestamp, found.source)


VOCABULARY = Vocabulary(
    "segment",
    "Segment",
    split,
    click,
    (
        ("user_id", "`userId`, else `anon:` + `anonymousId`"),
        ("page_url", "`context.page.url`, else `properties.url`"),
        ("action", "`event` of a track; else the type, with the `name` of a page or screen"),
        ("timestamp", "`timestamp`, else `originalTimestamp`"),
        ("message_id", "`messageId`"),
        ("sent_at", "`sentAt` of the event, else of the batch"),
        ("session_id", "`context.sessionId`"),
        ("user_agent", "`context.userAgent`, else the header"),
        ("properties", "`properties`; of identify and group: `traits`"),
        ("identities", "identify: `anon:` + `anonymousId`; alias: `previousId`"),
    ),
)
