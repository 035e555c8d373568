"""Asks processor pods how they are: their /status on the admin port, with the pipeline's own key."""

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import Any

import aiohttp

from clickstream_operator.manifests.names import names_of
from clickstream_operator.observed import PodState, TaskState
from clickstream_operator.spec.clickpipeline import ClickPipeline
from clickstream_operator.spec.rules import ADMIN_PORT

CONNECT_S = 2  # a node that is gone
ANSWER_S = 15  # the kernel has taken the request: the pod lives, and its processor is busy
_AT_ONCE = 32
_MAX_ANSWER_BYTES = 4 << 20  # of 10,000 tasks
# What reading raises when another program answers on the port, or a pod in a form that nobody foresaw.
NO_ANSWER = (ValueError, TypeError, AttributeError, OverflowError, RecursionError)
log = logging.getLogger(__name__)


class Pods:
    """One HTTP session for the pods of all pipelines."""

    def __init__(self, url: str = "") -> None:
        """`url`: instead of the cluster's names, with {namespace}, {name} and {ordinal}."""
        self._url = url
        self._session: aiohttp.ClientSession | None = None
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def close(self) -> None:
        """Close the connections."""
        if self._session:
            await self._session.close()

    async def states(self, pipeline: ClickPipeline, key: str, count: int) -> dict[int, PodState]:
        """Return the state of each of the first `count` pods that answers."""
        answers = await asyncio.gather(*(self._state(pipeline, key, ordinal) for ordinal in range(count)))
        return {state.ordinal: state for state in answers if state}

    async def _state(self, pipeline: ClickPipeline, key: str, ordinal: int) -> PodState | None:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=ANSWER_S, sock_connect=CONNECT_S)
            self._session = aiohttp.ClientSession(timeout=timeout)
        headers = {"Authorization": f"Bearer {key}"}
        try:
            async with self._slots, self._session.get(self._of(pipeline, ordinal), headers=headers) as answer:
                if answer.status != 200:
                    return None
                return read_state(ordinal, json.loads(await bounded(answer, _MAX_ANSWER_BYTES)))
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None
        except NO_ANSWER as error:
            log.warning("%s: an answer that is no status: %r", self._of(pipeline, ordinal), error)
            return None

    def _of(self, pipeline: ClickPipeline, ordinal: int) -> str:
        names = names_of(pipeline)
        inside = f"http://{names.statefulset}-{ordinal}.{names.headless_service}.{pipeline.namespace}.svc:{ADMIN_PORT}"
        base = (
            self._url.format(namespace=pipeline.namespace, name=pipeline.name, ordinal=ordinal)
            if self._url
            else inside
        )
        return f"{base}/status"


async def bounded(answer: aiohttp.ClientResponse, longest: int) -> bytes:
    """Return the body. Raises ValueError when it has more bytes than that."""
    body = bytearray()
    async for part in answer.content.iter_any():
        body += part
        if len(body) > longest:
            raise ValueError(f"longer than {longest:,} bytes")
    return bytes(body)


def read_state(ordinal: int, answer: Mapping[str, Any]) -> PodState:
    """Return what a pod's answer says; fields an older or newer pod lacks have their defaults."""
    search = answer.get("search") or {}
    tasks = {
        str(name): TaskState(
            pod=ordinal,
            role=str(task.get("role", "")),
            phase=str(task.get("phase", "")),
            lag_ms=int(task["lag_ms"]) if task.get("lag_ms") is not None else None,
            detail=str(task.get("detail", "")),
            standing_ms=int(task.get("standing_ms", 0)),
        )
        for name, task in (answer.get("tasks") or {}).items()
    }
    findings = tuple(str(found.get("message", "")) for found in answer.get("topic_findings") or [])
    rates = answer.get("rates") or {}
    return PodState(
        ordinal,
        bool(search.get("index_ready")),
        str(search.get("detail", "")),
        tasks,
        findings,
        clicks_s=float(rates.get("clicks", 0)),
        refused_s=float(rates.get("dead_lettered", 0)),
        dead_lettered={str(why): int(count) for why, count in (answer.get("dead_lettered") or {}).items()},
    )
