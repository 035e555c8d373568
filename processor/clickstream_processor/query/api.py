"""The query side's factories: ``make_query_app`` (port 8080) and ``make_admin_app`` (port 8081).

How ``__main__`` runs them, in one asyncio loop in the main thread, while the worker thread processes::

    options = options_of(settings, plan)                                    # query.options
    service = QueryService(directory, options, worker_age_s=worker.age_s)    # query.service; no I/O yet
    await serve(service, host, query_port, admin_port, stop)                 # until the asyncio.Event is set

- ``directory``: the Directory the worker writes; only read here. The owner's answers carry a staleness
  mark when ``routes.as_of_ms`` or ``brokers_seen_ms`` are older than ``options.fresh_ms`` (3 s): refresh both
  at least each second.
- ``worker_age_s``: a callable, seconds since the worker's loop last turned; /healthz answers 503 above 30 s.
- ``letters`` (optional): where dead letters lie; without it the pod reads none.
- ``metrics`` (optional): a callable that returns body and content type of /metrics; default
  ``metrics.render``.

``serve`` is for ``__main__``; tests and others may run the two factories' applications as they like, inside
``async with service``. Public: GET only, JSON, errors as problem details (query-api.md, /openapi.json).
"""

import asyncio
import contextlib
import logging
import time

from aiohttp import web

from clickstream_processor.query import pages
from clickstream_processor.query.admin import make_admin_app
from clickstream_processor.query.http.parameters import parameters_of
from clickstream_processor.query.http.problems import Problem, overloaded
from clickstream_processor.query.http.request_guard import Guard, problem_details
from clickstream_processor.query.http.responses import json_bytes, json_response
from clickstream_processor.query.letters import question as letters
from clickstream_processor.query.metrics.question import PARAMETERS as WINDOWS_PARAMETERS
from clickstream_processor.query.metrics.question import key_parameters, question
from clickstream_processor.query.openapi.document import add_document
from clickstream_processor.query.search.query import PARAMETERS, parse_search
from clickstream_processor.query.service import QueryService
from clickstream_processor.query.users.answer import answered
from clickstream_processor.query.users.question import event_time, user_id, windows

__all__ = ["make_admin_app", "make_query_app", "serve"]

log = logging.getLogger(__name__)

_MAX_BODY = 1024  # no request of this API has a body
_METRICS_PARAMETERS = frozenset({"at", "detail", "from", "to", "limit"})
_SEARCH_PARAMETERS = frozenset(PARAMETERS)
_NONE: frozenset[str] = frozenset()
_STREAM_WRITE_S = 10.0  # a reader that takes nothing for so long is cut off
_EVENTS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
    "Server": "clickstream",
}


def make_query_app(service: QueryService) -> web.Application:
    """Return the public application: users, summaries, metrics, search, letters, pages, the description."""
    options = service.options
    guard = Guard(options.max_in_flight, service.tokens, f"{options.namespace}/{options.name}")
    app = web.Application(middlewares=[problem_details], client_max_size=_MAX_BODY)
    handlers = _Handlers(service)
    app.router.add_get("/dashboard/users/{id:[^/]*}/metrics", guard("user-metrics", handlers.user_metrics))
    app.router.add_get("/api/summary", guard("summary", handlers.summary))
    app.router.add_get("/api/stream", guard("stream", handlers.stream, counted=False))
    app.router.add_get("/api/metrics", guard("metrics", handlers.metrics))
    app.router.add_get("/api/metrics/{name:[^/]*}", guard("metric", handlers.metric))
    app.router.add_get("/api/search", guard("search", handlers.search))
    app.router.add_get("/api/letters", guard("letters", handlers.letters))
    app.router.add_get("/api/letters/summary", guard("letters-summary", handlers.letters_summary))
    app.router.add_get("/api/letters/{partition:[0-9]+}/{offset:[0-9]+}", guard("letter", handlers.letter))
    pages.add_pages(app, options)
    add_document(app, options)
    app.on_shutdown.append(handlers.end_streams)
    return app


class _Handlers:
    """The data routes. A handler parses, asks the service, and shapes the answer; it decides nothing else."""

    def __init__(self, service: QueryService) -> None:
        self._service = service
        self._streams = 0

    async def user_metrics(self, request: web.Request) -> web.StreamResponse:
        """Answer GET /dashboard/users/{id}/metrics, wherever the user's state lies."""
        service = self._service
        service.queries += 1
        user = user_id(request.match_info["id"])
        if not request.query_string:
            return answered(await service.router.answer(service.local.question(user, None, None)))
        parameters = parameters_of(request, _METRICS_PARAMETERS)
        question = service.local.question(user, event_time(parameters), windows(parameters))
        return answered(await service.router.answer(question))

    async def summary(self, request: web.Request) -> web.StreamResponse:
        """Answer GET /api/summary."""
        parameters_of(request, _NONE)
        return json_bytes(await self._service.hub.summary())

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Send a summary each second as server-sent events, until the client leaves or the pod stops."""
        parameters_of(request, _NONE)
        if self._streams >= self._service.options.max_subscribers:
            raise overloaded(self._service.options.max_subscribers)
        self._streams += 1
        try:
            return await self._send_events(request)
        finally:
            self._streams -= 1

    async def _send_events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers=_EVENTS)
        subscriber = await self._service.hub.subscribe()
        try:
            await response.prepare(request)
            await response.write(b"retry: 2000\n\n")
            async for summary in subscriber:
                async with asyncio.timeout(_STREAM_WRITE_S):
                    await response.write(b"event: summary\ndata: " + summary + b"\n\n")
        except (ConnectionError, TimeoutError):
            log.debug("a reader of the event stream left")
        finally:
            self._service.hub.unsubscribe(subscriber)
        return response

    async def metrics(self, request: web.Request) -> web.StreamResponse:
        """Answer GET /api/metrics."""
        parameters_of(request, _NONE)
        return answered(await self._service.desk.all_metrics())

    async def metric(self, request: web.Request) -> web.StreamResponse:
        """Answer GET /api/metrics/{name}."""
        metric = self._service.desk.metric(request.match_info["name"])
        parameters = parameters_of(request, WINDOWS_PARAMETERS | key_parameters([metric]))
        asked = question(metric, parameters, int(time.time() * 1000))
        return answered(await self._service.desk.windows(asked))

    async def search(self, request: web.Request) -> web.StreamResponse:
        """Answer GET /api/search."""
        index = self._service.search
        if index is None:
            raise Problem(404, "no-search-index", "This pipeline has no search index (spec.sink.search).")
        found = await index.search(parse_search(parameters_of(request, _SEARCH_PARAMETERS)))
        return json_response(found)

    async def letters(self, request: web.Request) -> web.StreamResponse:
        """Answer GET /api/letters."""
        parameters = parameters_of(request, letters.PARAMETERS, repeatable=letters.REASON)
        asked = letters.page_question(parameters, request.query.getall(letters.REASON, []))
        return json_response(await self._service.letters.page(asked))

    async def letters_summary(self, request: web.Request) -> web.StreamResponse:
        """Answer GET /api/letters/summary."""
        parameters = parameters_of(request, letters.FILTERS)
        return json_response(await self._service.letters.summary(letters.selection(parameters)))

    async def letter(self, request: web.Request) -> web.StreamResponse:
        """Answer GET /api/letters/{partition}/{offset}."""
        parameters_of(request, _NONE)
        partition, offset = letters.place(request.match_info["partition"], request.match_info["offset"])
        return json_response(await self._service.letters.one(partition, offset))

    async def end_streams(self, _: web.Application) -> None:
        """Let the open streams end, so that a stopping server does not wait for them."""
        self._service.hub.close()


async def serve(
    service: QueryService, host: str, query_port: int, admin_port: int, stop: asyncio.Event
) -> None:
    """Serve both ports until ``stop`` is set; raises OSError when a port cannot be bound."""
    async with service, contextlib.AsyncExitStack() as running:
        for app, port in ((make_query_app(service), query_port), (make_admin_app(service), admin_port)):
            runner = web.AppRunner(app, access_log=None, keepalive_timeout=75, shutdown_timeout=3.0)
            await runner.setup()
            running.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, host, port, backlog=512).start()
        await stop.wait()
