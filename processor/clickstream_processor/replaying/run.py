"""A replay from its first letter to its report. What it has done stands in Kafka: it goes on where it was."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from threading import Event
from typing import TypeVar

import msgspec
from confluent_kafka import KafkaError, KafkaException

from clickstream_processor.errors import ReplayFailed
from clickstream_processor.faults import NO_FAULTS, Faults
from clickstream_processor.jobs.processed import Awaited, PodPositions
from clickstream_processor.kafka.client import CLIENT_ERRORS
from clickstream_processor.kafka.partitioner import partition_of
from clickstream_processor.replaying.letter import DeadLetter
from clickstream_processor.replaying.letters_log import LettersLog
from clickstream_processor.replaying.position import Position, Positions
from clickstream_processor.replaying.progress import Progress, replayed_of
from clickstream_processor.replaying.report import FIRST, Example, Phase, Report, example_of, report_of
from clickstream_processor.replaying.request import Request
from clickstream_processor.replaying.selection import Selection, Skipped
from clickstream_processor.replaying.sender import Sender
from clickstream_processor.settings.settings import Settings
from clickstream_processor.stages.stage import Stages

log = logging.getLogger(__name__)
T = TypeVar("T")

BATCH = 500  # letters of a transaction
USUAL_MAX_BYTES = 1_000_000
WAIT_S = 120.0
RETRY_S = 300.0  # brokers that do not answer for so long end the replay
PAUSE_S = 1.0
STOPPED = "stopped by a signal: started again it goes on where it was"


class ReplayRun:
    """One replay. `run` belongs to one thread; `report` may be read by others."""

    def __init__(
        self,
        settings: Settings,
        stages: Stages,
        request: Request,
        faults: Faults = NO_FAULTS,
        wait_s: float = WAIT_S,
    ) -> None:
        """`wait_s`: how long to wait for the pods, once all is sent."""
        self._settings, self._stages, self._request, self._faults = settings, stages, request, faults
        self._wait_s = wait_s
        self.stop = Event()  # set it, and the replay ends after the transaction under way
        self.report = Report("reading")  # replaced, never changed
        self._position = Position()
        self._first: list[Example] = []
        self._failed_again: Counter[str] = Counter()
        self._notes: dict[str, str] = {}  # the first error of each kind

    def run(self) -> Report:
        """Do it all; return the last report. What goes wrong is in there, with phase `failed`."""
        try:
            self._run()
        except ReplayFailed as error:
            self._tell("failed", str(error))
        except CLIENT_ERRORS as error:
            self._tell("failed", f"Kafka: {error}; started again it goes on where it was")
        return self.report

    def _run(self) -> None:
        letters, selection = self._retrying(self._prepare)
        if self._request.dry_run:
            self._position = self._begin(letters)
            self._read(letters, selection, None)
            self._tell("done", self._with_notes("nothing was sent: this was a dry run"))
            return
        self._retrying(lambda: self._send(letters, selection))
        self._faults.reach("before-wait")
        waited = self._wait()
        self._count_failed_again(letters)
        self._tell("done", self._with_notes(waited))

    def _prepare(self) -> tuple[LettersLog, Selection]:
        letters, topics = LettersLog(self._settings), self._settings.topics
        max_bytes = letters.max_bytes(topics.clicks, USUAL_MAX_BYTES)
        return letters, Selection(self._request, topics.partitions, max_bytes, partition_of)

    def _retrying(self, act: Callable[[], T]) -> T:
        """Do it again, from the committed position on, as long as brokers are only away for a while."""
        deadline_s = time.monotonic() + RETRY_S
        while True:
            before = self._scanned()
            try:
                return act()
            except CLIENT_ERRORS as error:
                if _is_fenced(error):
                    raise ReplayFailed("another process runs this replay: it is left to that one") from error
                if self._scanned() > before:
                    deadline_s = time.monotonic() + RETRY_S
                if time.monotonic() > deadline_s:
                    raise
                log.warning("replay: %s; going on from the last transaction", error)
                self._tell("reading", f"Kafka: {error}; trying again")
                if self.stop.wait(PAUSE_S):
                    raise ReplayFailed(STOPPED) from error

    def _scanned(self) -> int:
        return sum(self._position.next_offsets.values())

    def _send(self, letters: LettersLog, selection: Selection) -> None:
        """Send all letters from the committed position on."""
        positions = Positions(self._settings, self._request.uid)
        sender = None
        try:
            sender = Sender(self._settings, positions, self._faults, self.stop)
            found = positions.read(letters.partitions)
            if found is None:
                found = self._begin(letters)
                sender.write(found.next_offsets, found.parts)
                self._faults.reach("after-start")
            else:
                log.info(
                    "replay %s goes on: %d letters were sent",
                    self._request.name,
                    replayed_of(found.parts.values()),
                )
            self._position = found
            self._read(letters, selection, sender)
        finally:
            positions.close()
            if sender is not None:
                sender.close()

    def _begin(self, letters: LettersLog) -> Position:
        """Fix where the replay reads."""
        bounds = letters.bounds(self._request.from_ms)
        return Position(
            next_offsets={number: start for number, (start, _) in bounds.items()},
            parts={number: Progress(start, end) for number, (start, end) in bounds.items()},
        )

    def _read(self, letters: LettersLog, selection: Selection, sender: Sender | None) -> None:
        """Take letters up to the end, or the limit; without a sender nothing is sent, and nothing written."""
        position = self._position
        self._tell("reading")
        spans = {number: (position.next_offsets[number], part.end) for number, part in position.parts.items()}
        for moved, batch in letters.read(spans, BATCH):
            if self.stop.is_set():
                raise ReplayFailed(STOPPED)
            if self._limit_left() == 0:
                return
            if not moved:
                continue
            offsets, parts, first = self._take(moved, batch, selection, sender)
            if sender is not None:
                position.sent.update(sender.commit(offsets, parts))
            self._first = first
            position.next_offsets.update(offsets)
            position.parts.update(parts)
            self._tell("reading")

    def _take(
        self, moved: Mapping[int, int], batch: list[DeadLetter], selection: Selection, sender: Sender | None
    ) -> tuple[dict[int, int], dict[int, Progress], list[Example]]:
        """Decide on letters; return their partitions' offsets and progress, and the first ones to show.

        All three are true once they are committed.
        """
        offsets = dict(moved)
        parts = {number: _copy(self._position.parts[number]) for number in moved}
        left, first = self._limit_left(), list(self._first)
        if sender is not None:
            sender.begin()
        for letter in batch:
            number = letter.place.partition
            if left == 0:  # this letter is where the partition stops
                offsets[number] = min(offsets[number], letter.place.offset)
                continue
            decided = selection.decide(letter)
            if decided is None:
                continue
            part = parts[number]
            if isinstance(decided, Skipped):
                part.skip(decided.why)
                if decided.matched:
                    part.of(letter.reason).matched += 1
                if decided.detail:
                    self._notes.setdefault(
                        decided.why, f"{decided.why}, such as {letter.named}: {decided.detail}"
                    )
                continue
            tally = part.of(letter.reason)
            tally.matched += 1
            tally.replayed += 1
            left = None if left is None else left - 1
            if sender is not None:
                sender.send(decided)
            if len(first) < FIRST:
                first.append(example_of(letter.named, letter.reason, decided.value))
        return offsets, parts, first

    def _limit_left(self) -> int | None:
        limit = self._request.limit
        return None if limit is None else max(0, limit - replayed_of(self._position.parts.values()))

    def _wait(self) -> str:
        """Wait for the pods; return what to say of it."""
        if not self._position.sent:
            return ""
        deadline_s = time.monotonic() + self._wait_s
        pods = PodPositions(self._settings, self._stages)

        def going_on(awaited: list[Awaited]) -> bool:
            self._tell(
                "waiting", f"sent; {len(awaited)} tasks have not processed it, such as {awaited[0].name}"
            )
            return not self.stop.is_set() and time.monotonic() < deadline_s

        try:
            self._tell("waiting")
            left = pods.wait(self._position.sent, going_on)
        finally:
            pods.close()
        if self.stop.is_set():
            raise ReplayFailed(STOPPED)
        if not left:
            return ""
        names = ", ".join(each.name for each in left[:5])
        return (
            f"all is sent, but {len(left)} tasks had not processed it after {self._wait_s:.0f} s ({names}): "
            "failed_again may grow; see whether the pods run and catch up"
        )

    def _count_failed_again(self, letters: LettersLog) -> None:
        """Count the letters behind the replay's end that it has made."""
        ends = {number: part.end for number, part in self._position.parts.items()}
        spans = {
            number: (ends[number], high)
            for number, (_, high) in letters.bounds(None).items()
            if number in ends
        }
        failed: Counter[str] = Counter()
        for _, batch in letters.read(spans, BATCH):
            for letter in batch:
                if letter.again is not None and letter.again.name == self._request.name:
                    failed[letter.again.history.rpartition(",")[2] or letter.reason] += 1
            if self.stop.is_set():
                raise ReplayFailed(STOPPED)
        self._failed_again = failed

    def _with_notes(self, first: str) -> str:
        return "; ".join(filter(None, [first, *self._notes.values()]))

    def _tell(self, phase: Phase, message: str = "") -> None:
        position = self._position
        self.report = report_of(
            phase,
            position.parts,
            position.next_offsets,
            self._failed_again,
            list(self._first),
            message,
            dry_run=self._request.dry_run,
        )


def _copy(part: Progress) -> Progress:
    reasons = {reason: msgspec.structs.replace(tally) for reason, tally in part.reasons.items()}
    return msgspec.structs.replace(part, reasons=reasons, skipped=dict(part.skipped))


def _is_fenced(error: BaseException) -> bool:
    cause = error.args[0] if isinstance(error, KafkaException) else None
    return isinstance(cause, KafkaError) and cause.code() in (
        KafkaError._FENCED,
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
    )
