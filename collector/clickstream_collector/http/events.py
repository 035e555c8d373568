"""The handler of all event paths: read, check the key, map, write to Kafka, answer.

An answer of success is given only after Kafka has every record of the request, dead letters included.
"""

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from clickstream_collector import metrics
from clickstream_collector.errors import (
    BodyTooLarge,
    KafkaAway,
    KeysUnreadable,
    RecordRefused,
    UnknownEncoding,
    UnreadableBody,
)
from clickstream_collector.http import answers, cors, problems
from clickstream_collector.http.credentials import key_of
from clickstream_collector.http.problems import Problem
from clickstream_collector.http.reading import Bodies
from clickstream_collector.http.routes import (
    BUSY_RETRY_S,
    KAFKA_RETRY_S,
    KEYS_RETRY_S,
    Answer,
    Route,
)
from clickstream_collector.intake import Taken, take
from clickstream_collector.kafka.delivery import Delivery, Record
from clickstream_collector.mapping.click import Refused
from clickstream_collector.mapping.event_time import lenient_ms
from clickstream_collector.mapping.vocabulary import Arrival, Batch
from clickstream_collector.sender.addresses import client_address
from clickstream_collector.sender.keys import WriteKey, WriteKeys
from clickstream_collector.sender.privacy import Sender
from clickstream_collector.settings import Settings

log = logging.getLogger("clickstream_collector.http")


_NO_QUERY: dict[str, str] = {}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Events:
    """The event paths of one process."""

    def __init__(self, settings: Settings, keys: WriteKeys, delivery: Delivery) -> None:
        self._settings = settings
        self._keys = keys
        self._delivery = delivery
        self._bodies = Bodies(settings.max_body_bytes, settings.body_s)
        self._requests = 0
        self._bytes = 0
        metrics.IN_FLIGHT.set_function(lambda: self._requests)

    def stop(self) -> None:
        """Take no body that has not come yet."""
        self._bodies.stop()

    def handler(self, route: Route) -> Handler:
        """Return the handler of one path."""
        name = route.vocabulary.name
        observe = metrics.DURATION.labels(name).observe
        events = metrics.EVENTS.labels(name)
        for rare in (metrics.IDENTITIES, metrics.BOTS_DROPPED):
            rare.labels(name)  # told as 0 until there is one: of nothing there is no rate
        codes: dict[int, Any] = {}

        async def handle(request: web.Request) -> web.StreamResponse:
            started_s = time.perf_counter()
            origin = request.headers.get("Origin")
            try:
                response, taken = await self._take(request, route, origin)
                if taken.clicks:
                    events.inc(len(taken.clicks))
                allowed = origin is not None
            except Problem as problem:
                response, allowed = _rendered(problem, route), self._may_read(origin)
            except Exception:  # the edge of the process: a defect fails one request
                log.exception("a request to %s failed", route.path)
                response, allowed = _rendered(problems.internal(), route), self._may_read(origin)
            if allowed and origin is not None:
                cors.allow(response, origin)
            observe(time.perf_counter() - started_s)
            code = codes.get(response.status)
            if code is None:
                code = codes[response.status] = metrics.REQUESTS.labels(name, str(response.status))
            code.inc()
            return response

        return handle

    async def preflight(self, request: web.Request) -> web.StreamResponse:
        """Answer a browser that asks whether it may send."""
        origin = request.headers.get("Origin")
        if origin is None or not self._may_read(origin):
            return problems.wrong_origin().response()
        return cors.preflight(request, origin)

    async def _take(
        self, request: web.Request, route: Route, origin: str | None
    ) -> tuple[web.Response, Taken]:
        """Return the answer and what was taken. Raises Problem."""
        try:
            self._keys.check()
            if self._delivery.away is not None:
                raise KafkaAway(self._delivery.away)
            held = self._enter(request)
            try:
                received_ms = int(time.time() * 1_000)
                document = await self._bodies.document_of(request, route)
                batch = route.vocabulary.split(document)
                self._admit(request, route, batch, origin)
                taken = self._mapped(request, route, batch, received_ms)
                is_batch = type(document) is list
                del document, batch
                await self._delivery.send(self._records(taken))
            finally:
                self._leave(held)
        except (UnreadableBody, Refused) as error:
            raise problems.malformed(str(getattr(error, "detail", error))) from error
        except BodyTooLarge as error:
            raise problems.too_large(str(error)) from error
        except UnknownEncoding as error:
            raise problems.unknown_encoding(str(error)) from error
        except KeysUnreadable as error:
            raise problems.try_later(
                "keys-unreadable", "The write keys cannot be read.", KEYS_RETRY_S
            ) from error
        except RecordRefused as error:
            raise problems.too_large("Kafka does not take so large a record.") from error
        except KafkaAway as error:
            raise problems.try_later(
                "kafka-away", "Kafka does not take events now.", KAFKA_RETRY_S
            ) from error
        self._count(route, taken)
        verbose = request.query.get("verbose") == "1" if route.answer is Answer.ONE else False
        return answers.success(route.answer, taken, verbose=verbose, is_batch=is_batch), taken

    def _admit(self, request: web.Request, route: Route, batch: Batch, origin: str | None) -> None:
        """Check key, origin and rate. Raises Problem, KeysUnreadable."""
        if self._keys.is_open:
            return
        given = key_of(request.headers, request.query if request.query_string else _NO_QUERY) or batch.key
        key: WriteKey | None = self._keys.find(given) if given else None
        if key is None:
            raise problems.no_key()
        if not key.admits(origin):
            raise problems.wrong_origin()
        if key.bucket is not None and (wait_s := key.bucket.take(len(batch.items), time.monotonic())):
            raise problems.too_many(wait_s, 503 if route.drops_429 else 429)

    def _mapped(self, request: web.Request, route: Route, batch: Batch, received_ms: int) -> Taken:
        headers, settings = request.headers, self._settings
        arrival = Arrival(received_ms, lenient_ms(batch.sent), route.kind)
        forwarded = ",".join(headers.getall("X-Forwarded-For", ())) if settings.trusted_proxies else ""
        address = client_address(request.remote, forwarded, settings.trusted_proxies)
        sender = Sender(address, headers.get("User-Agent"))
        return take(route.vocabulary, batch, arrival, settings.privacy, sender, request.path)

    def _records(self, taken: Taken) -> list[Record]:
        settings = self._settings
        topic = settings.clicks_topic
        records: list[Record] = [(topic, key, value, None) for key, value in taken.clicks]
        if taken.pairs:
            records += [(settings.identities_topic, key, value, None) for key, value in taken.pairs]
        if taken.letters:
            topic = settings.dead_letters_topic
            records += [(topic, None, letter.value, letter.headers) for letter in taken.letters]
        return records

    def _count(self, route: Route, taken: Taken) -> None:
        name = route.vocabulary.name
        for _, refused in taken.refused:
            metrics.REFUSED.labels(name, refused.reason).inc()
        if taken.pairs:
            metrics.IDENTITIES.labels(name).inc(len(taken.pairs))
        if taken.bots:
            metrics.BOTS_DROPPED.labels(name).inc(taken.bots)

    def _enter(self, request: web.Request) -> int:
        """Return the bytes held for a request: memory is bounded by what is under way. Raises Problem."""
        size = request.content_length
        if size is None:
            size = self._settings.max_body_bytes if request.can_read_body else 0
        if size > self._settings.max_body_bytes:
            raise problems.too_large(f"A body may have {self._settings.max_body_bytes} bytes.")
        if self._requests >= self._settings.max_requests or self._bytes + size > self._settings.max_bytes:
            raise problems.try_later("overloaded", "Too many requests are under way.", BUSY_RETRY_S)
        self._requests += 1
        self._bytes += size
        return size

    def _leave(self, size: int) -> None:
        self._requests -= 1
        self._bytes -= size

    def _may_read(self, origin: str | None) -> bool:
        """Tell whether a page may read a refusal: if any key lets its origin in."""
        if origin is None:
            return False
        try:
            return self._keys.admits_origin(origin)
        except KeysUnreadable:
            return True  # a page that may not read the 503 takes it for a broken network, which is no better


def _rendered(problem: Problem, route: Route) -> web.Response:
    """Return the answer; Amplitude's SDKs take the status from `code` in the body."""
    if route.answer is Answer.CODE:
        problem.extensions |= {"code": problem.status, "error": problem.detail}
    return problem.response()
