"""Asks an operation's pod how far it is: its /progress on the admin port."""

import json
import logging

import aiohttp

from clickstream_operator.kube.kinds import Document
from clickstream_operator.operations.operation import Operation, Progress
from clickstream_operator.reconciling.pods import ANSWER_S, CONNECT_S, NO_ANSWER, bounded
from clickstream_operator.spec.rules import ADMIN_PORT

_MAX_ANSWER_BYTES = 256 << 10
log = logging.getLogger(__name__)


class ProgressReader:
    """One HTTP session for all operations."""

    def __init__(self, url: str = "") -> None:
        """`url`: instead of the pods' addresses; {ordinal} in it is `replay` or `erasure`."""
        self._url = url
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._session:
            await self._session.close()

    async def read(self, operation: Operation, pod: Document) -> Progress | None:
        """Return what the pod says; None where it does not answer, or not so."""
        base = self._of(operation, pod)
        if not base:
            return None
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=ANSWER_S, sock_connect=CONNECT_S)
            self._session = aiohttp.ClientSession(timeout=timeout)
        try:
            async with self._session.get(f"{base}/progress", allow_redirects=False) as answer:
                if answer.status != 200:
                    return None
                return operation.read(json.loads(await bounded(answer, _MAX_ANSWER_BYTES)))
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None
        except NO_ANSWER as error:
            log.warning("%s/%s: an answer that is no report: %r", operation.namespace, operation.name, error)
            return None

    def _of(self, operation: Operation, pod: Document) -> str:
        """Return the pod's base URL; empty while it has no address. It has no name of its own."""
        if self._url:
            return self._url.format(
                namespace=operation.namespace, name=operation.name, ordinal=operation.NOUN
            )
        address = str(pod.get("status", {}).get("podIP") or "")
        host = f"[{address}]" if ":" in address else address
        return f"http://{host}:{ADMIN_PORT}" if host else ""
