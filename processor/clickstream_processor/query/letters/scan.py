"""Reads letters backwards, newest first, within bounds of records, bytes and time. Blocks: for a thread.

A topic is read forwards only. So a scan reads windows of offsets, each before the last, four times as long.
Letters of a partition are in the order of their offsets. Between partitions the record time decides.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from clickstream_processor.dead_letters.letter import Letter
from clickstream_processor.dead_letters.log import LetterLog, LettersUnavailable
from clickstream_processor.query.letters.question import PageQuestion, Selection

_GROWTH = 4
_LONGEST = 4_096  # offsets in a window


@dataclass(frozen=True, slots=True)
class ScanLimits:
    """How much one question may read. It reads one window of each partition, unless `last_s` passes."""

    records: int = 50_000
    bytes: int = 64 << 20  # of keys and values
    enough_s: float = 3.0  # then no other window is begun
    last_s: float = 8.0  # then a window that is under way is given up
    first: int = 32  # offsets in the first window of a partition


@dataclass(slots=True)
class Page:
    """Letters, newest first. `next`: where the following page begins; None: there is none."""

    letters: list[Letter]
    next: dict[int, int] | None
    scanned: int


@dataclass(slots=True)
class Tally:
    """Record times by reason. `complete_from_ms`: all letters since then are in it; None: not known."""

    times: dict[str, list[int]] = field(default_factory=dict)
    scanned: int = 0
    complete: bool = True
    complete_from_ms: int | None = None


class Backwards:
    """What of the topic was read so far, from its end."""

    def __init__(
        self,
        log: LetterLog,
        left: Mapping[int, range],
        limits: ScanLimits,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.left = dict(left)  # by partition: the offsets that were not read yet
        self.oldest_ms: dict[int, int] = {}  # by partition: the least time of its last window with letters
        self.scanned = 0
        self._log, self._limits, self._clock = log, limits, clock
        self._bytes = 0
        self._begun_s = clock()
        self._has_begun = False
        self._sizes = dict.fromkeys(left, limits.first)

    def is_spent(self) -> bool:
        """Tell whether the question has read as much as it may; never before its first windows."""
        limits = self._limits
        return self._has_begun and (
            self.scanned >= limits.records
            or self._bytes >= limits.bytes
            or self._clock() - self._begun_s >= limits.enough_s
        )

    def step(self, partitions: Iterable[int]) -> dict[int, list[Letter]]:
        """Return the letters of the next window of each partition, newest first; none when time is up.

        Raises LettersUnavailable where nothing at all was read.
        """
        windows = {
            each: self.left[each][-min(self._sizes[each], self._limits.records) :] for each in partitions
        }
        found: dict[int, list[Letter]] = {}
        for partition, read in self._log.read(windows, self._begun_s + self._limits.last_s).items():
            letters = read[::-1]
            self._has_begun = True
            self.left[partition] = range(self.left[partition].start, windows[partition].start)
            self._sizes[partition] = min(self._sizes[partition] * _GROWTH, _LONGEST)
            self.scanned += len(letters)
            self._bytes += sum(len(each.key or b"") + len(each.value or b"") for each in letters)
            if times := [each.at_ms for each in letters if each.at_ms is not None]:
                self.oldest_ms[partition] = min(times)
            found[partition] = letters
        if not self._has_begun:
            raise _too_slow()
        return found


def read_page(log: LetterLog, asked: PageQuestion, limits: ScanLimits) -> Page:
    """Return one page of letters. Raises LettersUnavailable."""
    bounds = log.bounds(asked.selection.from_ms)
    if asked.before is not None:
        bounds = {
            p: range(bounds[p].start, max(bounds[p].start, min(bounds[p].stop, offset)))
            for p, offset in asked.before.items()
            if p in bounds
        }
    scan = Backwards(log, bounds, limits)
    waiting: dict[int, deque[Letter]] = {partition: deque() for partition in bounds}
    page = Page([], None, 0)
    while len(page.letters) < asked.limit:
        unknown = [p for p, letters in waiting.items() if not letters and scan.left[p]]
        if unknown and not scan.is_spent():
            found = scan.step(unknown)
            for partition, letters in found.items():
                waiting[partition].extend(each for each in letters if asked.selection.has(each))
            if found:
                continue
        newest = max((each for each in waiting.values() if each), key=_age, default=None)
        if newest is None:
            break
        page.letters.append(newest.popleft())
    page.scanned = scan.scanned
    following = {
        p: letters[0].offset + 1 if letters else scan.left[p].stop
        for p, letters in waiting.items()
        if letters or scan.left[p]
    }
    page.next = following or None
    return page


def read_tally(log: LetterLog, selected: Selection, limits: ScanLimits) -> Tally:
    """Return the times of the letters, as far back as the limits let. Raises LettersUnavailable."""
    scan = Backwards(log, log.bounds(selected.from_ms), limits)
    tally = Tally()
    while rest := [p for p, offsets in scan.left.items() if offsets]:
        if scan.is_spent() or not (found := scan.step(rest)):
            break
        for letter in (each for letters in found.values() for each in letters if selected.has(each)):
            if letter.at_ms is not None:
                tally.times.setdefault(letter.said.reason, []).append(letter.at_ms)
    tally.scanned, tally.complete = scan.scanned, not rest
    if rest and all(partition in scan.oldest_ms for partition in rest):
        tally.complete_from_ms = max(scan.oldest_ms[partition] for partition in rest)
    return tally


def read_one(log: LetterLog, partition: int, offset: int, limits: ScanLimits) -> Letter | None:
    """Return the letter at a place; None where there is none. Raises LettersUnavailable."""
    bounds = log.bounds(None).get(partition, range(0))
    if offset not in bounds:
        return None
    until_s = time.monotonic() + limits.last_s
    found = log.read({partition: range(offset, offset + 1)}, until_s)
    if partition not in found:
        raise _too_slow()
    return found[partition][0] if found[partition] else None


def _age(letters: deque[Letter]) -> int:
    at_ms = letters[0].at_ms
    return -1 if at_ms is None else at_ms


def _too_slow() -> LettersUnavailable:
    return LettersUnavailable("The brokers gave no letters in time. Ask again in a moment.")
