"""Where questions about dead letters are answered: read from Kafka for each of them, by short-lived threads.

Nothing is kept between two questions. Few are read at once, for each has clients of its own.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from clickstream_processor.dead_letters.log import LetterLog, LettersUnavailable, LetterTopic
from clickstream_processor.query.http.problems import Problem
from clickstream_processor.query.letters import cursor
from clickstream_processor.query.letters.document import (
    LetterPage,
    LetterSummary,
    WholeLetter,
    letter,
    whole_letter,
)
from clickstream_processor.query.letters.question import PageQuestion, Selection
from clickstream_processor.query.letters.scan import ScanLimits, read_one, read_page, read_tally
from clickstream_processor.query.letters.tally import bucket_length, buckets, by_reason, fewer
from clickstream_processor.query.summary.document import PipelineName
from clickstream_processor.query.users.turns import too_many_reads

log = logging.getLogger(__name__)

T = TypeVar("T")

AT_ONCE = 2  # the page asks for list and summary at once


class LettersDesk:
    """Answers of one pod. `topic` None: it reads no letters."""

    def __init__(
        self,
        topic: LetterTopic | None,
        pipeline: PipelineName,
        limits: ScanLimits,
        wait_s: float,
    ) -> None:
        self._topic = topic
        self._pipeline = pipeline
        self._limits = limits
        self._wait_s = wait_s
        self._free = asyncio.Semaphore(AT_ONCE)

    async def page(self, asked: PageQuestion) -> LetterPage:
        """Return a page of letters. Raises Problem 404 or 503."""
        topic = self._known_topic()
        page = await self._read(topic, lambda opened: read_page(opened, asked, self._limits))
        return LetterPage(
            letters=tuple(letter(topic.name, each) for each in page.letters),
            next=cursor.encode(page.next) if page.next else None,
            scanned=page.scanned,
        )

    async def summary(self, selected: Selection) -> LetterSummary:
        """Return counts by reason and time. Raises Problem 404 or 503."""
        topic = self._known_topic()
        tally = await self._read(topic, lambda opened: read_tally(opened, selected, self._limits))
        times = fewer(tally.times)
        every = [at_ms for each in times.values() for at_ms in each]
        length_ms = bucket_length(min(every), max(every)) if every else 1_000
        return LetterSummary(
            pipeline=self._pipeline,
            topic=topic.name,
            total=len(every),
            reasons=by_reason(times),
            bucket_ms=length_ms,
            buckets=buckets(times, length_ms),
            scanned=tally.scanned,
            complete=tally.complete,
            complete_from_ms=tally.complete_from_ms,
        )

    async def one(self, partition: int, offset: int) -> WholeLetter:
        """Return the letter at a place, with its headers. Raises Problem 404 or 503."""
        topic = self._known_topic()
        found = await self._read(topic, lambda opened: read_one(opened, partition, offset, self._limits))
        if found is None:
            raise Problem(
                404, "unknown-letter", f"{topic.name} has no letter at {partition}/{offset}, or no longer."
            )
        return whole_letter(topic.name, found)

    def _known_topic(self) -> LetterTopic:
        if self._topic is None:
            raise Problem(404, "no-dead-letters", "This pod reads no dead letters.")
        return self._topic

    async def _read(self, topic: LetterTopic, read: Callable[[LetterLog], T]) -> T:
        """Return what a reader returns, in a thread of its own. Raises Problem 503."""
        try:
            async with asyncio.timeout(self._wait_s):
                await self._free.acquire()
        except TimeoutError:
            raise too_many_reads() from None
        done = _in_thread(lambda: _with_log(topic, read))
        done.add_done_callback(lambda _: self._free.release())  # even if nobody waits for it any more
        try:
            return await asyncio.shield(done)
        except LettersUnavailable as error:
            log.warning("dead letters cannot be read: %s", error)
            raise Problem(503, "letters-unavailable", str(error), headers={"Retry-After": "5"}) from error


def _with_log(topic: LetterTopic, read: Callable[[LetterLog], T]) -> T:
    opened = topic.open()
    try:
        return read(opened)
    finally:
        opened.close()


def _in_thread(work: Callable[[], T]) -> "asyncio.Future[T]":
    """Run a call in a daemon thread: the process can end while brokers do not answer."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            result = work()
        except Exception as error:  # noqa: BLE001  # it is raised where the answer is awaited
            _tell(loop, done, partial(done.set_exception, error))
        else:
            _tell(loop, done, partial(done.set_result, result))

    threading.Thread(target=run, name="letters", daemon=True).start()
    return done


def _tell(loop: asyncio.AbstractEventLoop, done: "asyncio.Future[T]", tell: Callable[[], None]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
        loop.call_soon_threadsafe(lambda: None if done.done() else tell())
