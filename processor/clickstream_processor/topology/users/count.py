"""Counting a click in windows of any kind, and texts of user-metrics.

Tumbling windows of whole seconds, the common case, are counted by the hot loop of pipeline.py itself.
"""

from clickstream_processor.topology.users.chunk import SECOND_MS, Chunk
from clickstream_processor.topology.users.users import User
from clickstream_processor.topology.users.working_set import WorkingSet
from clickstream_processor.topology.window import Windows


class Spans(dict[int, str]):
    """By window start: the JSON of user-metrics from the start to the count."""

    __slots__ = ("_size_ms",)

    def __init__(self, size_ms: int) -> None:
        super().__init__()
        self._size_ms = size_ms

    def __missing__(self, start_ms: int) -> str:
        span = f'{start_ms},"window_end":{start_ms + self._size_ms},"clicks":'
        self[start_ms] = span
        return span


def count_click(state: WorkingSet, windows: Windows, user: User, event_ms: int, closed_ms: int) -> bool:
    """Count a click in each open window that holds it; False, and nothing is changed, if all are closed."""
    first_ms = windows.first_open_start_ms(event_ms, closed_ms)
    if first_ms > event_ms:
        return False
    chunk_ms = windows.chunk_start_ms(event_ms)
    if user.start_ms != chunk_ms:
        state.turn(user, chunk_ms)
    if first_ms < chunk_ms:
        _count_in(state, windows, state.earlier(user, chunk_ms - windows.size_ms), first_ms, event_ms)
    _count_in(state, windows, user, max(first_ms, chunk_ms), event_ms)
    user.add(event_ms // SECOND_MS)
    return True


def _count_in(state: WorkingSet, windows: Windows, chunk: Chunk, first_ms: int, event_ms: int) -> None:
    """Count a click in the chunk's windows that start from `first_ms` to `event_ms`, and mark them."""
    starts = windows.in_chunk(chunk.start_ms)
    first = -(-(first_ms - starts.start) // windows.advance_ms)
    last = min(len(starts) - 1, (event_ms - starts.start) // windows.advance_ms)
    marks = 1
    for index in range(first, last + 1):
        chunk.count_in(index, event_ms)
        marks |= 2 << index
    if not chunk.touched:
        state.touched.append(chunk)
    chunk.touched |= marks
