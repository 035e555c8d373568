"""The admin application: what Kubernetes and Prometheus ask, and what the pods ask each other.

/metrics, /healthz and /readyz are open, as probes and scrapers come without credentials; the NetworkPolicy
says who reaches the port. /status and /peer/... need the pods' own key.
"""

import asyncio

import msgspec
from aiohttp import web

from clickstream_processor.query.http.parameters import flag, parameters_of
from clickstream_processor.query.http.problems import malformed
from clickstream_processor.query.http.request_guard import Guard, problem_details
from clickstream_processor.query.http.responses import json_bytes, json_response
from clickstream_processor.query.metrics.desk import TASKS_PARAMETERS, TASKS_PATH, WINDOWS_PATH
from clickstream_processor.query.service import QueryService
from clickstream_processor.query.summary.report import known
from clickstream_processor.query.users.answer import answered
from clickstream_processor.query.users.question import event_time, user_id, windows
from clickstream_processor.query.users.routing import PATH as METRICS_PATH

_MAX_BODY = 1024
_PEER_LIMIT = 1024  # requests of peers at once: several pods' whole limits
_QUESTION = frozenset({"user", "at", "detail", "from", "to", "limit", "role"})
_TOTALS = frozenset({"history"})


def make_admin_app(service: QueryService) -> web.Application:
    """Return the admin application."""
    handlers = _Handlers(service)
    peers = Guard(_PEER_LIMIT, service.peer_key, "peers")
    app = web.Application(middlewares=[problem_details], client_max_size=_MAX_BODY)
    app.router.add_get("/metrics", handlers.metrics)
    app.router.add_get("/healthz", handlers.healthz)
    app.router.add_get("/readyz", handlers.readyz)
    app.router.add_get("/status", peers("status", handlers.status))
    app.router.add_get(METRICS_PATH, peers("peer-metrics", handlers.peer_metrics))
    app.router.add_get("/peer/totals", peers("peer-totals", handlers.peer_totals))
    app.router.add_get(TASKS_PATH, peers("peer-metric-tasks", handlers.peer_metric_tasks))
    app.router.add_get(WINDOWS_PATH, peers("peer-metric-windows", handlers.peer_metric_windows))
    return app


class _Handlers:
    """The admin routes."""

    def __init__(self, service: QueryService) -> None:
        self._service = service

    async def metrics(self, _: web.Request) -> web.Response:
        """Answer Prometheus. Made in a thread: a large exposition takes milliseconds that queries need."""
        body, content_type = await asyncio.to_thread(self._service.metrics)
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def healthz(self, _: web.Request) -> web.Response:
        """Answer the liveness probe: this loop turns, and so does the worker's."""
        age_s = self._service.worker_age_s()
        alive = age_s <= self._service.options.worker_silence_s
        return json_response({"alive": alive, "worker_age_s": round(age_s, 3)}, 200 if alive else 503)

    async def readyz(self, _: web.Request) -> web.Response:
        """Answer the readiness probe: this pod can route, so it can answer or find who can."""
        ready = self._service.directory.ready
        return json_response({"ready": ready}, 200 if ready else 503)

    async def status(self, request: web.Request) -> web.Response:
        """Answer with all this pod knows of itself: its report, its routes, its search index."""
        parameters_of(request, frozenset())
        service, index = self._service, self._service.search
        report = msgspec.to_builtins(service.reporter.report())
        owners, standbys = report.pop("owners"), report.pop("standbys")
        for holder, name in (
            (report, "brokers_seen_ms"),
            (report, "routes_as_of_ms"),
            *((task, "as_of_ms") for task in report["tasks"].values()),
        ):
            holder[name] = known(holder[name])
        return json_response(
            {
                **report,
                "pipeline": {"name": service.options.name, "namespace": service.options.namespace},
                "worker_age_s": round(service.worker_age_s(), 3),
                "routes": {
                    "generation": report["generation"],
                    "as_of_ms": report["routes_as_of_ms"],
                    "owners": owners,
                    "standbys": standbys,
                },
                "search": {
                    "configured": index is not None,
                    "index_ready": index is not None and index.ready,
                    "detail": index.detail if index is not None else "",
                },
                "topic_findings": [
                    {**msgspec.to_builtins(finding), "message": str(finding)}
                    for finding in service.directory.topic_findings
                ],
                "streams": service.hub.subscribers,
            }
        )

    async def peer_metrics(self, request: web.Request) -> web.Response:
        """Answer a peer's question from this pod alone; never ask on."""
        parameters = parameters_of(request, _QUESTION)
        role = parameters.get("role", "owner")
        if role not in ("owner", "any"):
            raise malformed("role must be owner or any.", "role")
        question = self._service.local.question(
            user_id(parameters.get("user", "")), event_time(parameters), windows(parameters)
        )
        return answered(await self._service.router.answer_peer(question, as_owner=role == "owner"))

    async def peer_totals(self, request: web.Request) -> web.Response:
        """Answer with this pod's report for a peer's summary."""
        history = flag(parameters_of(request, _TOTALS), "history")
        return json_response(self._service.reporter.report(history=history))

    async def peer_metric_tasks(self, request: web.Request) -> web.Response:
        """Answer a peer's question how far metrics' tasks are, from this pod alone."""
        parameters = parameters_of(request, TASKS_PARAMETERS)
        return json_response(await self._service.desk.peer_tasks(parameters))

    async def peer_metric_windows(self, request: web.Request) -> web.Response:
        """Answer a peer's question for windows of a metric, from this pod alone."""
        desk = self._service.desk
        return json_bytes(await desk.peer_windows(parameters_of(request, desk.windows_parameters)))
