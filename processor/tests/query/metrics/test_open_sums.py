"""Counts of a window that changes: they follow what is written, whatever is written while they are read."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from clickstream_local.testing.randomised import examples, seed
from clickstream_processor.aggregation.metric import Metric
from clickstream_processor.aggregation.partials import pane_prefix
from clickstream_processor.aggregation.values.aggregates import encode_aggregate
from clickstream_processor.aggregation.values.numeric import Count
from clickstream_processor.query.metrics.reading.closed_sums import Span
from clickstream_processor.query.metrics.reading.match import Match
from clickstream_processor.query.metrics.reading.open_sums import FollowedCounts, OpenSums, OpenWindow
from clickstream_processor.query.metrics.reading.pace import STEP_ENTRIES, Pace
from clickstream_processor.query.metrics.reading.reading import Kept, WindowsRead, scan_windows
from clickstream_processor.state.changes import MOST_CHANGES, Change
from clickstream_processor.state.memory import MemoryShares, StateMemory
from clickstream_processor.state.store import TaskStore

METRIC = Metric("m", "count", "", by={"page": "click.page_url"}, size_ms=100, advance_ms=20, grace_ms=10)
IDENTITY = METRIC.identity


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TaskStore]:
    """Give a store of a metrics task."""
    one = TaskStore.open(tmp_path / "store", StateMemory(MemoryShares.of_limit(64 << 20)))
    yield one
    one.close()


def count(pane_ms: int, key: bytes, clicks: int | None) -> Change:
    """Return a change of one key in one pane; None deletes it."""
    value = None if clicks is None else encode_aggregate(Count(clicks))
    return pane_prefix(IDENTITY, pane_ms) + key, value


def write(store: TaskStore, *changes: Change) -> None:
    store.write(changes, store.checkpoint)


class Reader:
    """Asks for the window [0, 100) ms of which the panes from 40 ms on are open, and keeps what it may."""

    def __init__(self, store: TaskStore, kept: Kept | None = None) -> None:
        self._store, self._kept = store, kept or Kept()

    def steps(self) -> Iterator[Counter[bytes] | None]:
        """Yield None after each step, then count by key."""
        read = WindowsRead(METRIC, range(1), Match((None,)), 10**6)
        window = (yield from scan_windows(self._store, read, Pace(), self._kept, 40))[0]
        yield Counter({row.key: int(row.value) for row in window.rows})

    def counts(self) -> Counter[bytes]:
        """Return count by key."""
        return next(found for found in self.steps() if found is not None)


def test_what_is_written_is_followed_and_no_pane_is_read_again(store: TaskStore) -> None:
    write(store, count(0, b"a", 1), count(40, b"a", 2), count(80, b"b", 300))
    reader = Reader(store)
    assert reader.counts() == {b"a": 3, b"b": 300}
    with store.reader() as database:
        place, value = count(60, b"behind the store's back", 7)
        database.put(place, value)
    assert reader.counts() == {b"a": 3, b"b": 300}
    write(store, count(40, b"a", 5), count(60, b"c", 1), count(80, b"b", 301), count(100, b"a", 50))
    write(store, count(40, b"a", 6))
    assert reader.counts() == {b"a": 7, b"b": 301, b"c": 1}


def test_what_is_deleted_is_gone(store: TaskStore) -> None:
    write(store, count(0, b"b", 1), count(40, b"a", 2), count(60, b"b", 2))
    reader = Reader(store)
    assert reader.counts() == {b"a": 2, b"b": 3}
    write(store, count(40, b"a", None), count(60, b"b", None), count(80, b"c", None))
    assert reader.counts() == {b"b": 1}
    write(store, count(40, b"a", 9))
    assert reader.counts() == {b"a": 9, b"b": 1}


def test_window_is_read_anew_when_too_much_was_written(store: TaskStore) -> None:
    write(store, count(40, b"a", 2))
    reader = Reader(store)
    assert reader.counts() == {b"a": 2}
    write(store, *(count(60, b"b", clicks) for clicks in range(1, MOST_CHANGES + 2)), count(40, b"a", 3))
    assert reader.counts() == {b"a": 3, b"b": MOST_CHANGES + 1}
    write(store, count(60, b"c", 4))
    assert reader.counts() == {b"a": 3, b"b": MOST_CHANGES + 1, b"c": 4}


def test_commits_between_the_steps_of_any_readers_change_no_answer(store: TaskStore) -> None:
    """Several questions at once, of which each step may find another commit; at the end all agree."""
    random, kept = Random(seed(21)), Kept()
    write(store, *(count(pane_ms, b"%d" % key, 1) for pane_ms in (40, 60, 80) for key in range(STEP_ENTRIES)))
    readers: list[Iterator[Counter[bytes] | None]] = []
    for number in range(40 * examples(1)):
        if len(readers) < 3:
            readers.append(Reader(store, kept).steps())
        for _ in range(random.randrange(4)):
            changes = [
                count(random.choice((40, 60, 80)), b"%d" % random.randrange(2_000), random.randrange(1, 300))
                for _ in range(random.choice((1, 10, 2_500)))
            ]
            write(store, *changes)
        one = random.choice(readers)
        if next(one) is not None:
            readers.remove(one)
        if number % 4 == 0:
            assert Reader(store, kept).counts() == Reader(store).counts()


def test_windows_are_bounded_and_those_asked_for_longest_ago_go_first(store: TaskStore) -> None:
    sums = OpenSums(most_panes=10)
    windows = [OpenWindow(start_ms, Span(IDENTITY, start_ms, 100)) for start_ms in range(4)]
    write(store, *(count(40, b"%d" % key, 1) for key in range(4)))
    for number, window in enumerate(windows[:3]):
        sums.put(store, window, read(store, window))
        if number == 1:
            assert sums.get(store, windows[0])
    assert sums.get(store, windows[1]) is None
    assert sums.get(store, windows[0])
    sums.forget(store, windows[0])
    assert sums.get(store, windows[0]) is None
    write(store, *(count(60, b"%d" % key, 1) for key in range(7)))
    sums.put(store, windows[3], read(store, windows[3]))
    assert sums.get(store, windows[3]) is None


def read(store: TaskStore, window: OpenWindow) -> FollowedCounts:
    """Read the open panes of a window."""
    counts = FollowedCounts(window.open, {}, store.changes)
    first, end = pane_prefix(IDENTITY, window.open.start_ms), pane_prefix(IDENTITY, window.open.end_ms)
    with store.reader() as database:
        assert counts.take(database.iter(), first, end, 10**6) is None
    return counts
