"""The application for events: the paths, preflights, and problem details for what is none of them."""

import logging
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Middleware

from clickstream_collector.http import cors, start_up
from clickstream_collector.http.events import Events, Handler
from clickstream_collector.http.problems import Problem, internal
from clickstream_collector.http.routes import EVENT_ROUTES, START_UP_ROUTES, TAG_PATH
from clickstream_collector.http.slow_heads import SlowHeads
from clickstream_collector.http.tag import Tag

log = logging.getLogger("clickstream_collector.http")


def make_app(events: Events, slow: SlowHeads, max_body_bytes: int) -> web.Application:
    """Return the application."""
    app = web.Application(middlewares=[_edge(slow)], client_max_size=max_body_bytes)
    for route in EVENT_ROUTES:
        app.router.add_route(route.method, route.path, events.handler(route))
    for method, path, _ in START_UP_ROUTES:
        app.router.add_route(method, path, _readable(start_up.answer))
    paths = [route.path for route in EVENT_ROUTES] + [path for _, path, _ in START_UP_ROUTES]
    for path in dict.fromkeys(paths):
        app.router.add_route("OPTIONS", path, events.preflight)
    tag = Tag()
    app.router.add_get(TAG_PATH, tag.answer)  # and HEAD
    app.router.add_route("OPTIONS", TAG_PATH, tag.preflight)
    return app


def _readable(handler: Handler) -> Handler:
    """Return a handler whose answers any page may read: they hold nothing of anybody's."""

    async def handle(request: web.Request) -> web.StreamResponse:
        response = await handler(request)
        if origin := request.headers.get("Origin"):
            cors.allow(response, origin)
        return response

    return handle


def _edge(slow: SlowHeads) -> Middleware:
    """Return the one middleware: each costs every request some microseconds."""

    @web.middleware
    async def edge(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Turn refusals of the HTTP layer into problem details, and a defect into a 500 and a log line."""
        connection = request.protocol
        slow.begin(connection)
        try:
            return await handler(request)
        except web.HTTPException as refusal:
            return _refused(refusal)
        except Exception:
            log.exception("%s %s failed", request.method, request.match_info.route.resource)
            return internal().response()
        finally:
            slow.end(connection)

    return edge


def _refused(refusal: web.HTTPException) -> web.Response:
    phrase = HTTPStatus(refusal.status).phrase
    response = Problem(refusal.status, phrase.lower().replace(" ", "-"), f"{phrase}.").response()
    if "Allow" in refusal.headers:
        response.headers["Allow"] = refusal.headers["Allow"]
    return response
