"""The client of the other pods' admin ports: one pooled session, short time-outs, the pods' own key.

A peer that kept a request waiting is *suspect* for a second: meanwhile callers ask somebody else first, so
that a dead pod costs one request its time-out and not every request until the fail-over.
"""

import asyncio
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import aiohttp

from clickstream_processor.query.http.credentials import Secret

STALENESS = "X-Clickstream-Staleness"

_SUSPECT_S = 1.0
ANSWER_BYTES = 4 << 20  # an answer of a peer is never larger: totals of hundreds of tasks are some 100 KiB
_POOL_PER_PEER = 64


@dataclass(frozen=True, slots=True)
class PeerAddresses:
    """Where the pods' admin ports are: ``http://{host with {ordinal}}:{port + ordinal * port_step}``."""

    host: str
    port: int = 8081
    port_step: int = 0  # 1 where all pods share one host name

    def url(self, ordinal: int) -> str:
        """Return the base URL of a pod's admin port, without a slash at the end."""
        host = self.host.replace("{ordinal}", str(ordinal))
        return f"http://{host}:{self.port + ordinal * self.port_step}"


class PeerSilent(Exception):
    """A peer did not answer in time, or not in HTTP. Ask a standby, or mark the result partial."""


@dataclass(frozen=True, slots=True)
class PeerAnswer:
    """What a peer said."""

    status: int
    body: bytes
    staleness: str | None


class PeerClient:
    """GET from the admin port of pod ``ordinal``; used as an async context manager."""

    def __init__(
        self, addresses: PeerAddresses, key: Secret, connect_timeout_s: float, total_timeout_s: float
    ) -> None:
        self._addresses = addresses
        self._key = key
        self._connect_timeout_s = connect_timeout_s
        self._timeout = self._within(total_timeout_s)
        self._session: aiohttp.ClientSession | None = None
        self._suspect_until: dict[int, float] = {}

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(
            limit=0,
            limit_per_host=_POOL_PER_PEER,
            keepalive_timeout=30,
            ttl_dns_cache=2,  # a pod that was replaced has a new address under its old name
        )
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar()
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def is_suspect(self, ordinal: int) -> bool:
        """Tell whether the pod was silent within the last second."""
        return self._suspect_until.get(ordinal, 0.0) > time.monotonic()

    async def get(
        self, ordinal: int, path: str, params: dict[str, str], timeout_s: float | None = None
    ) -> PeerAnswer:
        """Return the peer's answer, whatever its status; raise PeerSilent when none came in time.

        `timeout_s`: for the whole hop; None: the client's own.
        """
        if self._session is None:
            raise PeerSilent("the client is closed")
        headers = {"Authorization": f"Bearer {self._key.first()}", "Accept-Encoding": "identity"}
        url = self._addresses.url(ordinal) + path
        timeout = self._timeout if timeout_s is None else self._within(timeout_s)
        try:
            async with self._session.get(
                url, params=params, headers=headers, allow_redirects=False, timeout=timeout
            ) as response:
                body = await _bounded(response)
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError, OSError, ValueError) as error:
            self._suspect_until[ordinal] = time.monotonic() + _SUSPECT_S
            raise PeerSilent(f"pod {ordinal}: {type(error).__name__}") from error
        self._suspect_until.pop(ordinal, None)
        return PeerAnswer(response.status, body, response.headers.get(STALENESS))

    def _within(self, total_s: float) -> aiohttp.ClientTimeout:
        connect_s = self._connect_timeout_s
        return aiohttp.ClientTimeout(total=total_s, connect=connect_s, sock_connect=connect_s)


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    """Return the whole body; raise ValueError when it is larger than any true answer."""
    length = response.content_length
    if length is not None and length > ANSWER_BYTES:
        raise ValueError("answer too large")
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_chunked(1 << 16):
        size += len(chunk)
        if size > ANSWER_BYTES:
            raise ValueError("answer too large")
        chunks.append(chunk)
    return b"".join(chunks)
