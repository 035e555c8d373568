"""Every path for events: its vocabulary, how it is read and how it is answered. Pure.

The reference page is made of this table.
"""

from dataclasses import dataclass
from enum import StrEnum

from clickstream_collector.mapping import amplitude, mixpanel, own, posthog, rudderstack, snowplow
from clickstream_collector.mapping.vocabulary import Vocabulary


class Reading(StrEnum):
    """Where a request has its events."""

    CLICKS = "body: JSON, or one click a line"
    BODY = "body"
    QUERY = "query"  # one event, a parameter a member
    QUERY_DATA = "query, `data`"  # base64 of JSON


class Answer(StrEnum):
    """What success looks like to the SDK."""

    CLICKS = '`{"accepted": n, "refused": [...]}`'
    SUCCESS = '`{"success": true}`'
    STATUS = '`{"status": 1}`'
    TEXT = "`ok`"
    CODE = '`{"code": 200, ...}`'
    ONE = '`1`; with `verbose=1` `{"status": 1}`'
    PIXEL = "a GIF of one pixel"


@dataclass(frozen=True, slots=True)
class Route:
    """One path."""

    method: str
    path: str
    vocabulary: Vocabulary
    reading: Reading
    answer: Answer
    kind: str | None = None  # the type of event that the path says


_KINDS = ("track", "page", "screen", "identify", "group", "alias")
_SHORT = {"t": "track", "p": "page", "s": "screen", "i": "identify", "g": "group", "a": "alias"}


def _spec(path: str, kind: str | None = None) -> Route:
    """Return a path of Segment's spec, which RudderStack and Jitsu speak; the event says whose it is."""
    return Route("POST", path, rudderstack.VOCABULARY, Reading.BODY, Answer.SUCCESS, kind)


def _posthog(path: str) -> Route:
    return Route("POST", path, posthog.VOCABULARY, Reading.BODY, Answer.STATUS)


EVENT_ROUTES = (
    Route("POST", "/v1/clicks", own.VOCABULARY, Reading.CLICKS, Answer.CLICKS),
    Route("GET", "/v1/pixel.gif", own.VOCABULARY, Reading.QUERY, Answer.PIXEL),
    _spec("/v1/batch"),
    _spec("/v1/b"),
    *(_spec(f"/v1/{kind}", kind) for kind in _KINDS),
    *(_spec(f"/v1/{short}", kind) for short, kind in _SHORT.items()),
    _spec("/beacon/v1/batch"),
    *(_spec(f"/api/s/{kind}", kind) for kind in _KINDS),  # Jitsu, from a page
    *(_spec(f"/api/s/s2s/{kind}", kind) for kind in _KINDS),  # Jitsu, from a server
    *(_posthog(path) for path in ("/batch/", "/batch", "/e/", "/e", "/i/v0/e/", "/capture/", "/capture")),
    Route("POST", "/com.snowplowanalytics.snowplow/tp2", snowplow.VOCABULARY, Reading.BODY, Answer.TEXT),
    Route("GET", "/i", snowplow.VOCABULARY, Reading.QUERY, Answer.PIXEL),
    Route("POST", "/2/httpapi", amplitude.VOCABULARY, Reading.BODY, Answer.CODE),
    Route("POST", "/track", mixpanel.VOCABULARY, Reading.BODY, Answer.ONE),
    Route("POST", "/track/", mixpanel.VOCABULARY, Reading.BODY, Answer.ONE),
    Route("GET", "/track", mixpanel.VOCABULARY, Reading.QUERY_DATA, Answer.ONE),
    Route("GET", "/track/", mixpanel.VOCABULARY, Reading.QUERY_DATA, Answer.ONE),
)
