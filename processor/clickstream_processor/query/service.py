"""What both applications of a pod share: the router, the hub, the search index, and their background work.

Used as an async context manager: it opens the client sessions, samples the counters once a second and keeps
the search index in order; leaving it ends all of that.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self

from clickstream_processor import metrics as every_metric
from clickstream_processor.dead_letters.log import LetterTopic
from clickstream_processor.directory import Directory
from clickstream_processor.query.http.credentials import Secret
from clickstream_processor.query.http.peers import PeerClient
from clickstream_processor.query.letters.desk import LettersDesk
from clickstream_processor.query.metrics.desk import MetricsDesk
from clickstream_processor.query.metrics.local import LocalMetrics
from clickstream_processor.query.options import QueryOptions
from clickstream_processor.query.search.index import EngineFailed, SearchIndex
from clickstream_processor.query.summary.document import PipelineName
from clickstream_processor.query.summary.report import PodReporter
from clickstream_processor.query.summary.stream import SummaryHub
from clickstream_processor.query.users.local_state import LocalState
from clickstream_processor.query.users.routing import Router

log = logging.getLogger(__name__)

_UPKEEP_S = 3600.0  # a day's index is dropped at most an hour late
_RETRY_MIN_S, _RETRY_MAX_S = 1.0, 5.0


class QueryService:
    """Everything a request needs. The two factories of query.api and query.admin take one of these."""

    def __init__(
        self,
        directory: Directory,
        options: QueryOptions,
        *,
        worker_age_s: Callable[[], float],
        metrics: Callable[[], tuple[bytes, str]] = every_metric.render,
        letters: LetterTopic | None = None,
    ) -> None:
        self.directory = directory
        self.options = options
        self.worker_age_s = worker_age_s
        self.metrics = metrics
        self.queries = 0  # user queries answered, this pod's public port
        self.peer_key = Secret(options.peer_key)
        self.tokens = Secret(options.tokens) if options.tokens is not None else None
        self.peers = PeerClient(
            options.peers, self.peer_key, options.connect_timeout_s, options.total_timeout_s
        )
        self.local = LocalState(
            directory, options.plan, options.fresh_ms, options.turns, with_sessions=options.sessions
        )
        self.router = Router(directory, self.local, self.peers)
        self.desk = MetricsDesk(
            directory,
            options.metrics,
            LocalMetrics(directory, options.plan.partitions, options.fresh_ms, options.turns, options.scans),
            self.peers,
            options.plan.partitions,
            options.total_timeout_s,
            options.scans,
        )
        self.reporter = PodReporter(directory, lambda: self.queries)
        pipeline = PipelineName(name=options.name, namespace=options.namespace)
        self.hub = SummaryHub(self.reporter, self.peers, options.replicas, pipeline)
        self.letters = LettersDesk(letters, pipeline, options.letter_limits, options.letter_wait_s)
        self.search = SearchIndex(options.search) if options.search is not None else None
        self._background: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        await self.peers.__aenter__()
        self._start(self._sample())
        if self.search is not None:
            await self.search.__aenter__()
            self._start(keep_index(self.search))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hub.close()
        for task in self._background:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self.peers.__aexit__(kind, error, trace)
        if self.search is not None:
            await self.search.__aexit__(kind, error, trace)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._background.append(asyncio.create_task(work))

    async def _sample(self) -> None:
        while True:
            self.reporter.sample(time.monotonic(), int(time.time() * 1000))
            await asyncio.sleep(1.0 - time.time() % 1.0)  # on the second, so that the pods' charts add up


async def keep_index(index: SearchIndex) -> None:
    """Put the template, with retries until it stands; then drop expired days, each hour, forever.

    Every pod does this: both are idempotent, and no pod is special.
    """
    wait_s = _RETRY_MIN_S
    while True:
        try:
            await index.ensure_template()
            await index.drop_expired(int(time.time() * 1000))
        except EngineFailed as error:
            log.warning("search index upkeep failed, next try in about %.0f s: %s", wait_s, error)
            await asyncio.sleep(wait_s * random.uniform(0.7, 1.3))  # noqa: S311  # jitter, not a secret
            wait_s = min(wait_s * 2, _RETRY_MAX_S)
        else:
            wait_s = _RETRY_MIN_S
            await asyncio.sleep(_UPKEEP_S)
