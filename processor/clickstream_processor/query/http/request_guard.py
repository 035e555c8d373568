"""What stands around every handler: the limit of requests at once, authentication, problem details, metrics.

A wrapper and not a middleware chain: the hot route pays one call, and its metrics are looked up once.
"""

import logging
from collections.abc import Awaitable, Callable
from time import perf_counter

from aiohttp import web
from prometheus_client import Counter

from clickstream_processor.metrics import QUERY_DURATION, QUERY_IN_FLIGHT, QUERY_REFUSED, QUERY_REQUESTS
from clickstream_processor.query.http.credentials import Secret
from clickstream_processor.query.http.problems import (
    Problem,
    internal,
    of_status,
    overloaded,
    unauthorized,
)

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Guard:
    """Wraps the handlers of one application; they share its limit."""

    def __init__(self, limit: int, secret: Secret | None, realm: str) -> None:
        self._limit = limit
        self._secret = secret
        self._realm = realm
        self.in_flight = 0

    def __call__(self, route: str, handler: Handler, *, counted: bool = True) -> Handler:
        """Return the guarded handler; ``counted=False`` for one that stays open, and counts for itself."""
        observe = QUERY_DURATION.labels(route).observe if counted else None
        codes: dict[int, Counter] = {}

        async def guarded(request: web.Request) -> web.StreamResponse:
            started = perf_counter()
            response = await self._answer(request, handler, counted=counted)
            if observe is not None:
                observe(perf_counter() - started)
            code = codes.get(response.status)
            if code is None:
                code = codes[response.status] = QUERY_REQUESTS.labels(route, str(response.status))
            code.inc()
            return response

        return guarded

    async def _answer(self, request: web.Request, handler: Handler, *, counted: bool) -> web.StreamResponse:
        if self._secret is not None and not self._secret.admits(request.headers.get("Authorization")):
            return unauthorized(self._realm).response()
        if not counted:
            return await _problems(request, handler)
        if self.in_flight >= self._limit:
            QUERY_REFUSED.inc()
            return overloaded(self._limit).response()
        self.in_flight += 1
        QUERY_IN_FLIGHT.inc()
        try:
            return await _problems(request, handler)
        finally:
            self.in_flight -= 1
            QUERY_IN_FLIGHT.dec()


async def _problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Problem as problem:
        return problem.response()
    except web.HTTPException:
        raise
    except Exception:  # the edge of the process: a defect fails one request, and its trace goes to the log
        log.exception("%s %s failed", request.method, request.path)
        return internal().response()


@web.middleware
async def problem_details(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn the HTTP layer's own refusals (no such path, method not allowed) into problem details."""
    try:
        return await handler(request)
    except web.HTTPException as refusal:
        problem = of_status(refusal.status)
        if "Allow" in refusal.headers:
            problem.headers["Allow"] = refusal.headers["Allow"]
        return problem.response()
