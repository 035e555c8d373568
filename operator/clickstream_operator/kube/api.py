"""The Kubernetes API as plain documents: requests, their failures, and the watch stream.

Documents stay dictionaries: typed models would cost memory for nothing, since manifests are
rendered as dictionaries. Called by observe, apply, watch and leader only.
"""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from kubernetes.aio import client, config

from clickstream_operator.errors import TemporaryFailure
from clickstream_operator.kube.kinds import Document, Kind

MANAGER = "clickstream-operator"
REQUEST_TIMEOUT_S = 15
# A watch ends by itself after this long, so that a connection nobody answers on is noticed.
WATCH_S = 240
PAGE = 500

_JSON = "application/json"
_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"


@dataclass
class ApiFailure(TemporaryFailure):
    """The API server refused or did not answer. `code` 0: no answer."""

    code: int
    message: str
    retry_after_s: float = 0

    def __str__(self) -> str:
        return f"{self.code or 'no answer'}: {self.message}"


class Api:
    """One connection pool to one API server."""

    def __init__(self, connection: client.ApiClient) -> None:
        self._connection = connection

    @classmethod
    async def connect(cls) -> "Api":
        """Return an Api for the cluster this runs in, or of the kubeconfig where there is one."""
        configuration = client.Configuration()
        configuration.connection_pool_maxsize = 200
        try:
            config.load_incluster_config(client_configuration=configuration)
        except config.ConfigException:
            await config.load_kube_config(client_configuration=configuration)
        # Left to itself, the client looks for a proxy in the environment and for a .netrc at each request: a
        # fifth of what a request costs.
        configuration.proxy = configuration.proxy or _proxy(configuration.host)
        configuration.client_session_kwargs = {"trust_env": False}
        return cls(client.ApiClient(configuration))

    async def close(self) -> None:
        """Close the connections."""
        await self._connection.close()

    async def get(self, path: str) -> Document | None:
        """Return a document, None when there is none."""
        try:
            return await self._request("GET", path)
        except ApiFailure as failure:
            if failure.code == 404:
                return None
            raise

    async def list(self, kind: Kind, namespace: str | None, selector: str = "") -> tuple[list[Document], str]:
        """Return every item, read in pages, and the version to watch from."""
        items: list[Document] = []
        query = {"limit": str(PAGE), **({"labelSelector": selector} if selector else {})}
        while True:
            page = await self._request("GET", f"{kind.path(namespace)}?{urlencode(query)}")
            items += page["items"]
            query["continue"] = page["metadata"].get("continue", "")
            if not query["continue"]:
                return items, str(page["metadata"]["resourceVersion"])

    async def apply(self, kind: Kind, document: Document, subresource: str = "") -> Document:
        """Server-side apply: make the fields of the document so, whoever changed them."""
        meta = document["metadata"]
        path = kind.path(meta["namespace"], meta["name"], subresource)
        return await self._request("PATCH", f"{path}?fieldManager={MANAGER}&force=true", document, _APPLY)

    async def create(self, kind: Kind, namespace: str | None, document: Document) -> Document:
        """Create an object that must not exist yet."""
        return await self._request("POST", f"{kind.path(namespace)}?fieldManager={MANAGER}", document)

    async def replace(self, kind: Kind, document: Document) -> Document:
        """Replace an object of the version the document carries."""
        meta = document["metadata"]
        return await self._request("PUT", kind.path(meta["namespace"], meta["name"]), document)

    async def merge(self, kind: Kind, namespace: str, name: str, patch: Document) -> Document:
        """Merge a patch into an object."""
        path = f"{kind.path(namespace, name)}?fieldManager={MANAGER}"
        return await self._request("PATCH", path, patch, _MERGE)

    async def delete(
        self, kind: Kind, namespace: str, name: str, orphan: bool = False, uid: str = ""
    ) -> None:
        """Delete an object, with `uid` no namesake of it; one that is gone already is fine."""
        options: Document = {"propagationPolicy": "Orphan" if orphan else "Background"}
        if uid:
            options["preconditions"] = {"uid": uid}
        try:
            await self._request("DELETE", kind.path(namespace, name), options)
        except ApiFailure as failure:
            if failure.code != 404 and not (uid and failure.code == 409):
                raise

    async def watch(
        self, kind: Kind, namespace: str | None, selector: str, version: str
    ) -> AsyncIterator[tuple[str, Document]]:
        """Yield (type, object) until the server ends the stream. Raises ApiFailure; 410: list again."""
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(WATCH_S),
            **({"labelSelector": selector} if selector else {}),
        }
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=REQUEST_TIMEOUT_S, sock_read=WATCH_S + 30)
        path = f"{kind.path(namespace)}?{urlencode(query)}"
        try:
            answer = (await self._send("GET", path, None, _JSON, timeout)).response
            async with answer:
                if answer.status != 200:
                    raise _failure(answer.status, await answer.text(), answer.headers)
                async for line in answer.content:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        status = event["object"]
                        raise ApiFailure(int(status.get("code", 0)), str(status.get("message", "")))
                    yield event["type"], event["object"]
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise ApiFailure(0, f"{type(error).__name__}: {error}") from error

    async def _request(
        self, method: str, path: str, body: Document | None = None, content_type: str = _JSON
    ) -> Document:
        timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
        try:
            answer = (await self._send(method, path, body, content_type, timeout)).response
            async with answer:
                text = await answer.text()
                if answer.status >= 300:
                    raise _failure(answer.status, text, answer.headers)
                document: Document = json.loads(text)
                return document
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise ApiFailure(
                0, f"{method} {path.partition('?')[0]}: {type(error).__name__}: {error}"
            ) from error

    async def _send(
        self, method: str, path: str, body: Document | None, content_type: str, timeout: aiohttp.ClientTimeout
    ) -> Any:
        headers = {"Content-Type": content_type, "Accept": _JSON, "User-Agent": MANAGER}
        configuration = self._connection.configuration
        # Refreshes a token that is about to expire.
        await self._connection.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        return await self._connection.rest_client.request(
            method, f"{configuration.host}{path}", headers, body, _request_timeout=timeout
        )


def _proxy(server: str) -> str | None:
    """Return the proxy that the environment names for a server, where it names one."""
    url = urlsplit(server)
    return None if proxy_bypass(url.hostname or "") else getproxies().get(url.scheme)


def _failure(code: int, text: str, headers: Mapping[str, str]) -> ApiFailure:
    try:
        message = str(json.loads(text).get("message", text))
    except (ValueError, AttributeError):
        message = text[:500]
    try:
        retry_after_s = float(headers.get("Retry-After", "0"))
    except ValueError:
        retry_after_s = 0
    return ApiFailure(code, message, retry_after_s)
