"""A reverse proxy that speaks TLS and asks for a user: what a secured engine looks like."""

import asyncio
import base64
import ssl
import subprocess
import threading
from pathlib import Path

from aiohttp import ClientSession, web

_SESSION = web.AppKey("session", ClientSession)


class Certificates:
    """A self-made authority and a certificate for localhost that it signed."""

    def __init__(self, folder: Path) -> None:
        self.authority = folder / "ca.crt"
        self._key, self._certificate = folder / "server.key", folder / "server.crt"
        authority_key, request, extensions = folder / "ca.key", folder / "server.csr", folder / "extensions"
        extensions.write_text("subjectAltName=DNS:localhost\n")
        new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        _openssl(
            "req", "-x509", *new_key, "-keyout", authority_key, "-out", self.authority, "-subj", "/CN=CA"
        )
        _openssl("req", *new_key, "-keyout", self._key, "-out", request, "-subj", "/CN=search")
        signed: list[str | Path] = [
            "-CA",
            self.authority,
            "-CAkey",
            authority_key,
            "-CAcreateserial",
            "-extfile",
            extensions,
        ]
        _openssl("x509", "-req", "-in", request, *signed, "-out", self._certificate)

    def context(self) -> ssl.SSLContext:
        """Return the server's side of TLS."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._certificate, self._key)
        return context


class Gate:
    """Passes on the requests of one user, or of one API key; counts those it refuses with 401."""

    def __init__(
        self, engine_url: str, certificates: Certificates, user: str, password: str, api_key: str = ""
    ) -> None:
        """`api_key`: passes on its requests, instead of the user's."""
        pair = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._engine_url = engine_url
        self._certificates = certificates
        self._wanted = f"ApiKey {api_key}" if api_key else f"Basic {pair}"
        self.refused = 0
        self.passed = 0
        self.port = 0
        self._started = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._thread = threading.Thread(
            target=self._loop.run_until_complete, args=[self._serve()], daemon=True
        )

    def start(self) -> None:
        """Listen on a free port."""
        self._thread.start()
        assert self._started.wait(180)

    def stop(self) -> None:
        """Close the port."""
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        async with ClientSession() as session:
            app = web.Application(client_max_size=64 << 20)
            app[_SESSION] = session
            app.router.add_route("*", "/{path:.*}", self._pass_on)
            runner = web.AppRunner(app)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self._certificates.context())
            await site.start()
            self.port = runner.addresses[0][1]
            self._started.set()
            await self._end.wait()
            await runner.cleanup()

    async def _pass_on(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != self._wanted:
            self.refused += 1
            return web.Response(status=401, text="who are you?")
        self.passed += 1
        url = f"{self._engine_url}{request.path_qs}"
        headers = {"Content-Type": request.headers.get("Content-Type", "application/json")}
        body = await request.read()
        async with request.app[_SESSION].request(request.method, url, data=body, headers=headers) as answer:
            kind = answer.headers.get("Content-Type", "application/json").split(";")[0]
            return web.Response(status=answer.status, body=await answer.read(), content_type=kind)


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
