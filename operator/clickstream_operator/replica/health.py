"""/livez, /readyz and /metrics of the operator.

Alive: no worker and no watch hangs. Ready: the watches are complete and the server was heard of
lately; a standby replica is ready too, since it can take over.
"""

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from clickstream_operator.metrics import REGISTRY

# A look takes seconds; a watch is begun again each four minutes.
STUCK_S = 600.0
SILENT_S = 600.0


class Health:
    """Answers on its own port from functions that say how things are."""

    def __init__(
        self,
        host: str,
        port: int,
        work_age_s: Callable[[], float],
        watch_stuck_s: Callable[[], float],
        watch_age_s: Callable[[], float],
        is_synced: Callable[[], bool],
    ) -> None:
        self._host = host
        self._port = port
        self._work_age_s = work_age_s
        self._watch_stuck_s = watch_stuck_s
        self._watch_age_s = watch_age_s
        self._is_synced = is_synced
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen."""
        app = web.Application()
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner:
            await self._runner.cleanup()

    async def _livez(self, _: web.Request) -> web.Response:
        work_s, watch_s = self._work_age_s(), self._watch_stuck_s()
        ok = work_s < STUCK_S and watch_s < STUCK_S
        body = {"ok": ok, "oldest_work_s": round(work_s, 1), "oldest_watch_attempt_s": round(watch_s, 1)}
        return web.json_response(body, status=200 if ok else 503)

    async def _readyz(self, _: web.Request) -> web.Response:
        synced, age_s = self._is_synced(), self._watch_age_s()
        ok = synced and age_s < SILENT_S
        body = {"ok": ok, "watches_complete": synced, "server_last_heard_s": round(age_s, 1)}
        return web.json_response(body, status=200 if ok else 503)

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(REGISTRY), headers={"Content-Type": CONTENT_TYPE_LATEST})
