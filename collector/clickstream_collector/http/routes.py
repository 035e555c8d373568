"""Every path of the two ports: how it is read and how it is answered. And every error. Pure.

The reference page and the OpenAPI document are made of these tables.
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

    @property
    def drops_429(self) -> bool:
        """Tell whether the SDK drops what was answered with 429. posthog-js does; after 503 it comes back."""
        return self.vocabulary.name == "posthog"


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

# What SDKs ask before they send anything.
START_UP_ROUTES = (
    ("GET", "/v1/projects/{key}/settings", "Segment browser: with it events are sent to this collector"),
    ("POST", "/v1/m", "Segment browser: figures about itself, not kept"),
    ("GET", "/sourceConfig/", "RudderStack browser: the source, without destinations"),
    ("GET", "/array/{key}/config.js", "posthog-js: an empty script"),
    ("GET", "/array/{key}/config", "posthog-js: takes gzip"),
    ("POST", "/flags/", "PostHog: no feature flags"),
    ("POST", "/decide/", "PostHog: no feature flags"),
    ("GET", "/engage", "Mixpanel: profile updates, not kept"),
    ("POST", "/engage", "Mixpanel: profile updates, not kept"),
    ("POST", "/engage/", "Mixpanel: profile updates, not kept"),
    ("POST", "/groups/", "Mixpanel: group updates, not kept"),
)

TAG_PATH = "/tag.js"

ADMIN_ROUTES = (
    ("/livez", "application/json", "200 while the process turns"),
    ("/readyz", "application/json", "200 when events can be taken, else 503 and why"),
    ("/metrics", "text/plain", "Prometheus metrics"),
    ("/openapi.json", "application/json", "the description of both ports, OpenAPI 3.1"),
)

PROBLEM_TYPE = "application/problem+json"
TYPE_PREFIX = "https://clickstream.dev/problems/"
KAFKA_RETRY_S, BUSY_RETRY_S, KEYS_RETRY_S = 5, 1, 5
_WAITS = "waits `Retry-After`"


@dataclass(frozen=True, slots=True)
class Error:
    """An error that an answer may say, as problem details."""

    status: int
    kind: str  # the end of `type`
    when: str
    remedy: str  # what a client does

    @property
    def has_retry_after(self) -> bool:
        """Tell whether the answer says when to come back."""
        return self.remedy == _WAITS


ERRORS = (
    Error(
        400,
        "malformed-request",
        "the body is no document; a single click is none (and a dead letter)",
        "corrects it",
    ),
    Error(401, "unknown-write-key", "no valid write key", "corrects it"),
    Error(403, "origin-not-allowed", "a page of an origin that the key does not allow", "corrects it"),
    Error(404, "not-found", "no such path", "corrects it"),
    Error(405, "method-not-allowed", "the path has no such method", "corrects it"),
    Error(408, "body-too-slow", "the body did not come in time", "sends again"),
    Error(
        413,
        "body-too-large",
        "the body, what it decompresses to, or the number of events is too large",
        "sends less",
    ),
    Error(415, "unsupported-media-type", "a content type or a compression that is not known", "corrects it"),
    Error(
        429,
        "too-many-events",
        "the key sends more events than it may; on PostHog's paths 503 (posthog-js drops 429)",
        _WAITS,
    ),
    Error(503, "kafka-away", f"Kafka is away or its queue is full (`Retry-After` {KAFKA_RETRY_S})", _WAITS),
    Error(503, "keys-unreadable", f"the write keys cannot be read (`Retry-After` {KEYS_RETRY_S})", _WAITS),
    Error(
        503,
        "stopping",
        f"the collector stops before the body has come (`Retry-After` {BUSY_RETRY_S})",
        _WAITS,
    ),
    Error(503, "overloaded", f"too many requests are under way (`Retry-After` {BUSY_RETRY_S})", _WAITS),
)
