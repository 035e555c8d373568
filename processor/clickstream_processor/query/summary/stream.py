"""One fan-out a second for all who watch this pod's summary, and none while nobody watches.

A subscriber holds the latest summary only: one who reads slowly misses seconds, and never makes memory
grow or others wait. A single request shares a fan-out that is under way and an answer younger than a second.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator

import msgspec

from clickstream_processor.query.http.peers import PeerClient, PeerSilent
from clickstream_processor.query.summary.document import PipelineName, Summary
from clickstream_processor.query.summary.merge import expected_pods, merge
from clickstream_processor.query.summary.report import PodReport, PodReporter

log = logging.getLogger(__name__)

_PERIOD_S = 1.0
_encode = msgspec.json.encode
_decode_report = msgspec.json.Decoder(PodReport).decode

Reports = dict[int, PodReport | None]


class Subscriber:
    """One open stream: the latest summary that it has not sent yet."""

    def __init__(self) -> None:
        self._latest: bytes | None = None
        self._there_is_news = asyncio.Event()
        self.closed = False

    def offer(self, summary: bytes) -> None:
        """Replace what waits to be sent."""
        self._latest = summary
        self._there_is_news.set()

    def close(self) -> None:
        """End the stream at its next look."""
        self.closed = True
        self._there_is_news.set()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            await self._there_is_news.wait()
            self._there_is_news.clear()
            if self.closed:
                return
            latest, self._latest = self._latest, None
            if latest is not None:
                yield latest


class SummaryHub:
    """Makes summaries: on request, and each second while there are subscribers."""

    def __init__(
        self, reporter: PodReporter, peers: PeerClient, replicas: int, pipeline: PipelineName
    ) -> None:
        self._reporter = reporter
        self._peers = peers
        self._replicas = replicas
        self._pipeline = pipeline
        self._subscribers: set[Subscriber] = set()
        self._ticker: asyncio.Task[None] | None = None
        self._latest: bytes = b""
        self._latest_at = float("-inf")
        self._under_way: asyncio.Task[bytes] | None = None
        self.fan_outs = 0  # rounds of questions to the peers since the start

    @property
    def subscribers(self) -> int:
        """How many streams are open."""
        return len(self._subscribers)

    @property
    def asks_each_second(self) -> bool:
        """Tell whether the pods are asked each second: only while streams are open."""
        return self._ticker is not None

    async def summary(self) -> bytes:
        """Return a summary that is at most a second old, as JSON."""
        if time.monotonic() - self._latest_at < _PERIOD_S:
            return self._latest
        if self._under_way is None or self._under_way.done():
            self._under_way = asyncio.create_task(self._make())
        return await asyncio.shield(self._under_way)

    async def subscribe(self) -> Subscriber:
        """Return a new subscriber; its first summary has the last five minutes."""
        subscriber = Subscriber()
        subscriber.offer(_encode(self._merge(await self._ask(history=True))))
        self._subscribers.add(subscriber)
        if self._ticker is None:
            self._ticker = asyncio.create_task(self._tick(), name="summaries")
        return subscriber

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Forget a subscriber; with the last one the fan-out ends."""
        self._subscribers.discard(subscriber)
        if not self._subscribers and self._ticker is not None:
            self._ticker.cancel()
            self._ticker = None

    def close(self) -> None:
        """End all streams; called when the server shuts down."""
        for subscriber in self._subscribers:
            subscriber.close()
        self._subscribers.clear()
        if self._ticker is not None:
            self._ticker.cancel()
            self._ticker = None

    async def _tick(self) -> None:
        due = time.monotonic()
        while True:
            due += _PERIOD_S
            await asyncio.sleep(max(due - time.monotonic(), _PERIOD_S / 10))
            summary = await self._make()
            for subscriber in self._subscribers:
                subscriber.offer(summary)

    async def _make(self) -> bytes:
        self._latest = _encode(self._merge(await self._ask()))
        self._latest_at = time.monotonic()
        return self._latest

    def _merge(self, reports: Reports) -> Summary:
        now_ms = int(time.time() * 1000)
        return merge(reports, asked_by=self._reporter.ordinal, at_ms=now_ms, pipeline=self._pipeline)

    async def _ask(self, *, history: bool = False) -> Reports:
        """Return each expected pod's report, None for one that did not answer in time."""
        self.fan_outs += 1
        own = self._reporter.report(history=history)
        others = [ordinal for ordinal in expected_pods(own, self._replicas) if ordinal != own.ordinal]
        answers = await asyncio.gather(*(self._ask_one(ordinal, history) for ordinal in others))
        return {own.ordinal: own, **dict(zip(others, answers, strict=True))}

    async def _ask_one(self, ordinal: int, history: bool) -> PodReport | None:
        try:
            answer = await self._peers.get(ordinal, "/peer/totals", {"history": "1"} if history else {})
        except PeerSilent:
            return None
        if answer.status != 200:
            log.warning("pod %d answered %d to the question for its totals", ordinal, answer.status)
            return None
        try:
            return _decode_report(answer.body)
        except msgspec.DecodeError:
            log.warning("pod %d sent totals that cannot be read", ordinal)
            return None
