"""The encoded chunk: what goes in comes out, whatever the order of events."""

import random
from collections import Counter

import pytest
from clickstream_local.testing.randomised import examples
from clickstream_processor.errors import StateCorrupted, StateTooNew
from clickstream_processor.topology.users.chunk import (
    PIECE_BYTES,
    VERSION,
    Chunk,
    buckets_in_pieces,
    read_buckets,
    read_windows,
    windows_before,
)
from clickstream_processor.topology.window import Windows
from hypothesis import given, settings
from hypothesis import strategies as st

START_MS = 1_700_000_100_000


def chunk_of(windows: Windows, start_ms: int) -> Chunk:
    chunk = Chunk(b"alice", "alice")
    chunk.begin(start_ms, len(windows.in_chunk(start_ms)))
    return chunk


def stored(chunk: Chunk, windows: Windows) -> bytes:
    return chunk.encode(windows.first_start_ms(chunk.start_ms), windows.advance_ms)


@settings(deadline=None, max_examples=examples(60))
@given(
    st.sampled_from(
        [Windows(300_000, 300_000, 0), Windows(300_000, 70_000, 0), Windows(86_400_000, 86_400_000, 0)]
    ),
    st.lists(st.tuples(st.integers(0, 86_399_999), st.sampled_from([1, 1, 2, 150])), max_size=20),
)
def test_a_chunk_comes_back_as_it_was_after_any_order_of_events(
    windows: Windows, events: list[tuple[int, int]]
) -> None:
    start_ms = windows.chunk_start_ms(START_MS)
    chunk = chunk_of(windows, start_ms)
    buckets: Counter[int] = Counter()
    counts: dict[int, tuple[int, int]] = {}
    for offset_ms, times in events:
        event_ms = start_ms + offset_ms % windows.size_ms
        for _ in range(times):
            chunk.add(event_ms // 1000)
            buckets[event_ms // 1000] += 1
            for index, window_ms in enumerate(windows.in_chunk(start_ms)):
                if window_ms <= event_ms:
                    chunk.count_in(index, event_ms)
                    count, latest = counts.get(index, (0, 0))
                    counts[index] = (count + 1, max(latest, event_ms - window_ms))
    value = stored(chunk, windows)
    assert dict(read_buckets(value, start_ms)) == buckets
    assert read_buckets(value, start_ms) == sorted(buckets.items(), reverse=True)
    assert {index: (count, latest) for index, count, latest in read_windows(value)} == counts
    again = chunk_of(windows, start_ms)
    again.decode(value, windows.first_start_ms(start_ms), windows.advance_ms)
    assert stored(again, windows) == value


def test_a_click_in_order_adds_two_bytes_for_a_new_second_and_none_for_the_same() -> None:
    windows = Windows(300_000, 300_000, 0)
    chunk = chunk_of(windows, START_MS)
    sizes = []
    for event_ms in (START_MS, START_MS + 1, START_MS + 1_000, START_MS + 2_000):
        chunk.add(event_ms // 1000)
        chunk.count_in(0, event_ms)
        sizes.append(len(stored(chunk, windows)))
    assert sizes == [21, 21, 23, 25]


@pytest.mark.parametrize(
    "value", [b"", b"\x01", b"\x01\x02" + b"\0" * 9], ids=["empty", "short", "lacks windows"]
)
def test_bytes_that_are_no_chunk_are_corruption(value: bytes) -> None:
    with pytest.raises(StateCorrupted):
        read_buckets(value, START_MS)


def test_a_chunk_of_a_later_version_is_refused() -> None:
    with pytest.raises(StateTooNew):
        read_buckets(bytes([VERSION + 1]) + b"\0" * 40, START_MS)


def test_a_chunk_that_ends_inside_a_bucket_is_corruption() -> None:
    windows = Windows(300_000, 300_000, 0)
    chunk = chunk_of(windows, START_MS)
    chunk.add(START_MS // 1000)
    chunk.add(START_MS // 1000 + 1)
    for broken in (stored(chunk, windows)[:-1], stored(chunk, windows)[:-1] + b"\x80"):
        with pytest.raises(StateCorrupted):
            read_buckets(broken, START_MS)


def test_a_chunk_of_many_seconds_is_read_in_pieces() -> None:
    windows = Windows(86_400_000, 86_400_000, 0)
    start_ms = windows.chunk_start_ms(START_MS)
    chunk, chance = chunk_of(windows, start_ms), random.Random(3)
    for second in sorted(chance.sample(range(86_400), 20_000)):
        for _ in range(chance.choice((1, 1, 1, 130))):
            chunk.add(start_ms // 1000 + second)
    value = stored(chunk, windows)
    pieces = list(buckets_in_pieces(value, start_ms))
    assert len(pieces) > len(value) // PIECE_BYTES
    assert max(map(len, pieces)) <= PIECE_BYTES // 2
    assert [bucket for piece in pieces for bucket in piece] == read_buckets(value, start_ms)


def test_windows_are_read_backwards_from_any_place() -> None:
    windows = Windows(300_000, 1_000, 0)
    start_ms = windows.chunk_start_ms(START_MS)
    chunk = chunk_of(windows, start_ms)
    for index in (0, 3, 4, 250, 299):
        chunk.count_in(index, start_ms + 1_000 * index)
    value = stored(chunk, windows)
    counts = [(index, count) for index, count, _ in read_windows(value)]
    for before in (0, 1, 3, 4, 5, 100, 299, 300, 10_000):
        assert list(windows_before(value, before)) == [pair for pair in reversed(counts) if pair[0] < before]
