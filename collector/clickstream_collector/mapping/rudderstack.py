"""RudderStack: Segment's spec with times and sessions of its own. Pure.

It shares paths with Segment. An event is RudderStack's if it has `originalTimestamp` or `channel`.
"""

from clickstream_collector.mapping import segment
from clickstream_collector.mapping.click import Event, Mapped
from clickstream_collector.mapping.vocabulary import Arrival, Vocabulary


def click(event: Event, arrival: Arrival) -> Mapped:
    """Return the click of an event that came by a path of Segment and RudderStack."""
    ours = "originalTimestamp" in event or "channel" in event
    return segment.click(event, arrival, "rudderstack" if ours else "segment")


VOCABULARY = Vocabulary(
    "rudderstack",
    "RudderStack",
    segment.split,
    click,
    (
        *(
            (field, made)
            for field, made in segment.VOCABULARY.rows
            if field not in ("timestamp", "session_id")
        ),
        ("timestamp", "`timestamp`, which only the caller sets; else `originalTimestamp`"),
        ("session_id", "`context.sessionId`, a number of ms"),
    ),
)
