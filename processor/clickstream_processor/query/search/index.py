"""The client of the search index: template, retention and searches, with OpenSearch or Elasticsearch.

The template must stand before the sink connector writes its first document, or ``timestamp`` would be mapped
as a long: ``IndexReady`` in /status says when it does. Retention drops whole daily indices by their name.
"""

import logging
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec

from clickstream_processor.query.http.credentials import basic_user
from clickstream_processor.query.http.problems import Problem
from clickstream_processor.query.search.engine_answer import decode_search
from clickstream_processor.query.search.index_template import template
from clickstream_processor.query.search.query import SearchRequest, engine_query, search_result
from clickstream_processor.query.search.result import SearchResult

log = logging.getLogger(__name__)

_ANSWER_BYTES = 8 << 20
_DROP_AT_ONCE = 50  # names a DELETE carries in its path
_BUSY = frozenset({429, 502, 503, 504})


class EngineFailed(Exception):
    """The engine did not answer, or refused. Upkeep tries again; a search becomes a 502 or 503 problem.

    ``words`` are the engine's own. They may repeat what was searched for: only upkeep tells them.
    """

    def __init__(self, reason: str, status: int | None = None, words: str = "") -> None:
        super().__init__(reason)
        self.status = status
        self.words = words


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """The search index as `sink.search` and `processing.transform` of the pipeline describe it."""

    url: str
    index: str  # prefix: daily indices <index>-YYYY.MM.DD, searched as <index>-*
    retention_ms: int = 30 * 86_400_000  # whole days that ended earlier are dropped
    credentials: Path | None = None  # folder of a mounted Secret: files username, password
    api_key: Path | None = None  # file of a mounted Secret: an API key of Elasticsearch, instead of a user
    ca: Path | None = None  # PEM file of a mounted Secret: whom to trust for https; None: the system's
    fields: dict[str, str] = field(default_factory=dict)  # output field of transform.set -> type of its CEL
    dropped: frozenset[str] = frozenset()  # output fields that transform.drop removes
    connect_timeout_s: float = 1.0
    total_timeout_s: float = 5.0


class SearchIndex:
    """One pipeline's index; used as an async context manager."""

    def __init__(self, options: SearchOptions) -> None:
        self.ready = False  # the template stands; searches work without it
        self.detail = "the index template has not been put yet"
        self._options = options
        # Without those of an index whose name goes on with a hyphen: a day of clicks-eu has one more of them
        # than a day of clicks.
        self._pattern = f"{options.index}-*,-{options.index}-*-*"
        self._day = re.compile(re.escape(options.index) + r"-([0-9]{4})\.([0-9]{2})\.([0-9]{2})")
        self._session: aiohttp.ClientSession | None = None
        self._trust: tuple[tuple[int, int], ssl.SSLContext] | None = None  # of the CA file as it was read

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(
            total=self._options.total_timeout_s, sock_connect=self._options.connect_timeout_s
        )
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=32, ttl_dns_cache=10),
            timeout=timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def ensure_template(self) -> None:
        """Put the index template; idempotent. Raises EngineFailed."""
        body = template(self._options.index, self._options.fields, self._options.dropped)
        try:
            await self._call("PUT", f"/_index_template/{self._options.index}", json=body)
        except EngineFailed as error:
            words = f": {error.words}" if error.words else ""
            self.ready, self.detail = False, f"the index template could not be put: {error}{words}"
            raise
        self.ready, self.detail = True, ""

    async def drop_expired(self, now_ms: int) -> list[str]:
        """Delete the daily indices whose whole day ended longer than the retention ago; return their names.

        Only names of exactly ``<index>-YYYY.MM.DD`` are touched: another index may share the prefix.
        Raises EngineFailed.
        """
        known = await self._call(
            "GET", f"/{self._pattern}/_alias", params={"expand_wildcards": "open,closed"}
        )
        expired = sorted(name for name in known if self._is_expired(name, now_ms))
        for start in range(0, len(expired), _DROP_AT_ONCE):
            await self._call(
                "DELETE",
                "/" + ",".join(expired[start : start + _DROP_AT_ONCE]),
                params={"ignore_unavailable": "true"},  # another pod may have been first
            )
        if expired:
            log.info("dropped expired daily indices: %s", ", ".join(expired))
        return expired

    def _is_expired(self, name: str, now_ms: int) -> bool:
        match = self._day.fullmatch(name)
        if match is None:
            return False
        try:
            day = datetime(int(match[1]), int(match[2]), int(match[3]), tzinfo=UTC)
            end_ms = int((day + timedelta(days=1)).timestamp() * 1000)
        except (ValueError, OverflowError):
            return False
        return end_ms <= now_ms - self._options.retention_ms

    async def search(self, request: SearchRequest) -> SearchResult:
        """Return one page of hits with a histogram; raises Problem 502 or 503 when there is no answer."""
        params = {"ignore_unavailable": "true", "allow_no_indices": "true"}
        try:
            answer = await self._call(
                "POST",
                f"/{self._pattern}/_search",
                params=params,
                json=engine_query(request),
                decode=decode_search,
            )
        except EngineFailed as error:
            log.warning("search failed: %s", error)
            if error.status is None or error.status in _BUSY:
                raise Problem(
                    503,
                    "search-unavailable",
                    "The search engine does not answer.",
                    headers={"Retry-After": "5"},
                ) from error
            raise Problem(
                502, "search-failed", "The search engine refused the query.", engine_status=error.status
            ) from error
        return search_result(request, answer)

    async def _call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: object = None,
        decode: Callable[[bytes], Any] = msgspec.json.decode,
    ) -> dict[str, Any]:
        """Return the engine's JSON object; raises EngineFailed with a reason that holds no secret."""
        if self._session is None:
            raise EngineFailed("the client is closed")
        headers = {"Content-Type": "application/json", "Accept": "application/json", **self._auth()}
        data = msgspec.json.encode(json) if json is not None else None
        url = self._options.url.rstrip("/") + path
        try:
            async with self._session.request(
                method,
                url,
                params=params,
                data=data,
                headers=headers,
                ssl=self._context(),
                allow_redirects=False,
            ) as response:
                body = (
                    await response.content.read(_ANSWER_BYTES)
                    if response.status >= 300
                    else await _whole(response)
                )
        except aiohttp.ClientSSLError as error:
            raise EngineFailed(_distrust(error, self._options.ca is not None)) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise EngineFailed(f"no answer ({type(error).__name__})") from error
        if response.status >= 300:
            kind, words = _reason(body)
            raise EngineFailed(f"status {response.status}{kind}", response.status, words)
        try:
            document = decode(body)
        except msgspec.DecodeError as error:
            raise EngineFailed("the answer is not JSON", response.status) from error
        if not isinstance(document, dict):
            raise EngineFailed("the answer is not a JSON object", response.status)
        return document

    def _context(self) -> ssl.SSLContext | bool:
        """Return whom to trust for https; a mounted CA is read again when it changes. Raises EngineFailed."""
        path = self._options.ca
        if path is None:
            return True  # the system's authorities, and the host name must be in the certificate
        try:
            status = path.stat()
            mark = (status.st_mtime_ns, status.st_ino)
            if self._trust is None or self._trust[0] != mark:
                self._trust = (mark, ssl.create_default_context(cafile=str(path)))
        except (OSError, ssl.SSLError) as error:  # of a file without a certificate, too
            raise EngineFailed(
                "the mounted CA (sink.search.tls.caSecret, key ca.crt) cannot be read"
            ) from error
        return self._trust[1]

    def _auth(self) -> dict[str, str]:
        """Return the header of the user or key in the mounted Secret, read again: a rotation takes effect."""
        try:
            if self._options.api_key is not None:
                return {"Authorization": f"ApiKey {self._options.api_key.read_text().strip()}"}
            if self._options.credentials is None:
                return {}
            user, password = basic_user(self._options.credentials)
            return {"Authorization": aiohttp.encode_basic_auth(user, password, encoding="utf-8")}
        except (OSError, UnicodeDecodeError) as error:
            raise EngineFailed("the mounted credentials cannot be read") from error


def _distrust(error: aiohttp.ClientSSLError, given: bool) -> str:
    """Return why https failed, and which setting helps where the certificate is not trusted."""
    if not isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"no answer over https ({type(error).__name__})"
    cause = getattr(error.certificate_error, "verify_message", "")
    hint = "must hold the CA that signed it" if given else "can name a Secret with the CA that signed it"
    return f"the engine's certificate is not trusted ({cause}): sink.search.tls.caSecret {hint}"


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    """Return the body; raises OSError when it is larger than any page of hits."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_chunked(1 << 16):
        size += len(chunk)
        if size > _ANSWER_BYTES:
            raise OSError("answer too large")
        chunks.append(chunk)
    return b"".join(chunks)


def _reason(body: bytes) -> tuple[str, str]:
    """Return the engine's name of the error, for the log, and its words; empty where there are none."""
    try:
        cause = msgspec.json.decode(body)["error"]["root_cause"][0]
        return f", {str(cause['type'])[:200]}", str(cause.get("reason", ""))[:500]
    except (msgspec.DecodeError, KeyError, IndexError, TypeError, AttributeError):
        return "", ""
