"""The admin port: /livez, /readyz, /metrics, /openapi.json. Open: the NetworkPolicy says who reaches it."""

import msgspec
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from clickstream_collector import metrics
from clickstream_collector.errors import KeysUnreadable
from clickstream_collector.http import openapi
from clickstream_collector.kafka.delivery import Delivery
from clickstream_collector.sender.keys import WriteKeys
from clickstream_collector.settings import Settings


class Admin:
    """What Kubernetes and Prometheus ask."""

    def __init__(self, settings: Settings, keys: WriteKeys, delivery: Delivery) -> None:
        self._keys = keys
        self._description = openapi.document(settings.port, settings.admin_port, is_open=keys.is_open)
        self._delivery = delivery
        self.stopping = False

    def app(self) -> web.Application:
        """Return the application."""
        app = web.Application(client_max_size=1_024)
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/openapi.json", self._openapi)
        return app

    def why_not(self) -> str | None:
        """Return why no event can be taken now; None when events can."""
        if self.stopping:
            return "stopping"
        try:
            self._keys.check()
        except KeysUnreadable as error:
            metrics.KEYS_READABLE.set(0)
            return f"the write keys cannot be read: {error}"
        metrics.KEYS_READABLE.set(1)
        return self._delivery.away

    async def _livez(self, _: web.Request) -> web.Response:
        """Answer that this loop turns; a producer that can go on no more ends the process by itself."""
        return _json({"alive": True}, 200)

    async def _readyz(self, _: web.Request) -> web.Response:
        """Answer whether events can be taken."""
        why = self.why_not()
        return _json({"ready": why is None, "detail": why}, 200 if why is None else 503)

    async def _metrics(self, _: web.Request) -> web.Response:
        self.why_not()
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _openapi(self, _: web.Request) -> web.Response:
        """Answer what both ports take and answer."""
        return _json(self._description, 200)


def _json(document: object, status: int) -> web.Response:
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return web.Response(status=status, body=msgspec.json.encode(document), headers=headers)
