"""The collector as a page: paths, mappings, answers and limits, from the tables that it runs by. Pure."""

from collections.abc import Iterable, Iterator

import msgspec
from clickstream_collector import intake
from clickstream_collector.http import reading
from clickstream_collector.http.routes import ADMIN_ROUTES, ERRORS, EVENT_ROUTES, START_UP_ROUTES, Route
from clickstream_collector.mapping.click import MAX_CLICK_BYTES, MAX_DEPTH, MAX_ID_BYTES, Click, Pair
from clickstream_collector.mapping.event_time import EARLIEST_MS, MAX_CORRECTION_MS
from clickstream_collector.mapping.vocabularies import ALL
from clickstream_collector.sender.rates import BURST_S

_HEAD = """# Collector

Made from the code by `make reference`; do not edit. The collector takes clicks over HTTP and writes
them to Kafka. [Collect from a website](../how-to/collect-from-a-website.md) says how to use it, and
[ADR 0063](../adr/0063-a-collector-of-our-own.md) why it is as it is. Its settings are on the page of
[environment variables](environment.md#collector), its metrics on the page of
[metrics](metrics.md#collector).

## Promise

An answer of success means that all in-sync replicas have every record of the request. Before that
nothing is promised, and the client sends again. A retry has the same `message_id`. With
[`processing.dedup`](dedup-semantics.md) the pods count it once. If Kafka is away or the queue is full, the
answer is 503 with `Retry-After`. After SIGTERM the collector accepts no more connections, finishes the
requests under way, and exits with 0.

## Paths

The port for events has these paths, and `/tag.js`. The admin port has others, further down. Its
`/openapi.json` describes both ports for programs (OpenAPI 3.1).

"""
_READ = """
The content type only refuses what is plainly something else. JSON is found in gzip (with or without a
header), deflate, br, in base64, and in the field `data` of a form. A list or `batch` may have events
that are no clicks: each of those becomes a [dead
letter](topics-and-records.md#letters-of-the-collector), and the others are taken.

What SDKs ask before they send:

"""
_TAG = """
`GET /tag.js` gives the tag of this collector: [Collect from a website](../how-to/collect-from-a-website.md)
says how a page loads it. It needs no write key and any page may load it.
"""
_ADMIN = """
The admin port:

"""
_ANSWERS = """
## Answers

Errors are RFC 9457 problem details, `application/problem+json`. Their `type` is
`https://clickstream.dev/problems/` and the type in the table. Amplitude's have `code` and `error` as
well. What is no HTTP gets 400 as plain text, before a path is looked for, and an `Expect` other than
`100-continue` gets 417. The collector never redirects.

"""
_KEYS = f"""
## Write keys

The file of write keys has one key a line. It is read again when it changes. If it cannot be read or has
a wrong line, every request gets 503.

```
# key, then what pages may use it and how many events a second it may send
wk-4f1c origin=https://shop.example.com origin=https://www.example.com rate=500
wk-server
```

A request has its key in `X-Write-Key`, as the user of Basic authentication, as a bearer token, in the query
(`writeKey`, `write_key`, `key`, `api_key`, `api_secret` or `token`), or in the body as its SDK puts it.
Snowplow's key is `aid`. A key is not written into clicks and not logged.

- `origin`: pages of other origins get 403. It binds browsers only, for other programs send any
  `Origin`. CORS gives the page's origin back, allows credentials, and allows the headers that a
  preflight asks for.
- `rate`: events a second on average, with a burst of {BURST_S:g} seconds' worth. Each process counts by
  itself.

## Event time

`timestamp` is the time that the sender reported. Where the sender also says when it sent, the
difference to the arrival is added, up to {MAX_CORRECTION_MS // 3_600_000} hours either way: a larger
one is a batch that was kept, or a clock that tells nothing. The result is never later than the arrival.
A time before {EARLIEST_MS:,} ms is refused. `reported_at`, `sent_at` and `received_at` keep all three.

## Fields of a click

"""
_VISITOR = """
## The visitor

- The client's address is the nearest one that is no trusted proxy's. It is shortened to 24 bits of IPv4
  and 48 of IPv6, or dropped, and so is the event's own. A dead letter holds the event as it came.
- The event's own address and user agent go before the request's. If the request comes from a library on
  a server, the request's are left out, for they are not the visitor's.
- `bot` is true if the user agent is that of a known crawler; with `CLICKSTREAM_COLLECTOR_BOTS=drop` the
  event is answered and not written.

## Mapping

`user_id` is the user's id, else the anonymous one with `anon:` before it. Null is absent. `identify`
and `alias` also write a pair of ids to the [identities topic](topics-and-records.md#identities).

A text may hold half of a character, such as `\\ud83d`, or bytes that are not UTF-8. In an id, and in the
name of a field, that makes the event a dead letter: what stood there would be lost, and two ids could become
one. Ids are those of users, visitors, sessions and messages. In any other text it becomes U+FFFD (`�`).

"""

_SPEC = "Segment, RudderStack, Jitsu"  # they share paths


def collector_page() -> str:
    """Return the page."""
    lines = [_HEAD, *_table(("path", "vocabulary", "events in", "success"), _paths()), _READ]
    lines += _table(("path", "answer"), ((f"`{m} {path}`", what) for m, path, what in START_UP_ROUTES))
    lines += [
        _TAG,
        _ADMIN,
        *_table(("path", "answer"), ((f"`GET {path}`", what) for path, _, what in ADMIN_ROUTES)),
    ]
    lines += [_ANSWERS, *_table(("status", "type", "when", "what a client does"), _statuses()), _KEYS]
    lines += [*_table(("field", "type", "present"), _fields(Click)), _VISITOR]
    for vocabulary in ALL:
        rows = ((f"`{field}`" if " " not in field else field, made) for field, made in vocabulary.rows)
        lines += [f"### {vocabulary.title}\n\n", *_table(("field", "made of"), rows), "\n"]
    lines += ["## A pair of ids\n\n", *_table(("field", "type", "present"), _fields(Pair))]
    lines += ["\n## Limits\n\n", *_table(("limit", "value"), _limits())]
    return "".join(lines)


def _paths() -> Iterator[tuple[str, ...]]:
    """Yield a row for the paths that differ in nothing else."""
    groups: dict[tuple[str, ...], list[Route]] = {}
    for route in EVENT_ROUTES:
        title = _SPEC if route.vocabulary.name == "rudderstack" else route.vocabulary.title
        groups.setdefault((title, route.reading.value, route.answer.value), []).append(route)
    for rest, routes in groups.items():
        yield ", ".join(f"`{route.method} {route.path}`" for route in routes), *rest


def _statuses() -> Iterator[tuple[str, str, str, str]]:
    yield "200", "", "Kafka has the events, or their dead letters", ""
    for error in ERRORS:
        yield str(error.status), f"`{error.kind}`", error.when, error.remedy


def _fields(struct: type[msgspec.Struct]) -> Iterator[tuple[str, str, str]]:
    for each in msgspec.structs.fields(struct):
        kind = msgspec.inspect.type_info(each.type)
        yield f"`{each.encode_name}`", _type(kind), "always" if each.required else "where known"


def _type(kind: msgspec.inspect.Type) -> str:
    if isinstance(kind, msgspec.inspect.UnionType):
        (kind,) = [each for each in kind.types if not isinstance(each, msgspec.inspect.NoneType)]
    return {"StrType": "text", "IntType": "whole number, ms", "BoolType": "bool", "DictType": "object"}[
        type(kind).__name__
    ]


def _limits() -> Iterator[tuple[str, str]]:
    yield "bytes of a body", "`CLICKSTREAM_COLLECTOR_MAX_BODY_BYTES`"
    yield "bytes of a body, decompressed", f"{reading.EXPANSION} times that"
    yield "events of a request", f"{intake.MAX_EVENTS:,}"
    yield "bytes of a click", f"{MAX_CLICK_BYTES:,}"
    yield "bytes of a user id", f"{MAX_ID_BYTES:,}"
    yield "levels of objects and lists in each other", str(MAX_DEPTH)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |\n|{'---|' * len(head)}\n"
    for row in rows:
        yield f"| {' | '.join(row)} |\n"
