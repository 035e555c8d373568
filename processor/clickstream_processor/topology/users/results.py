"""What is told of counted windows: the records of user-metrics, and of the changelog. Pure.

With `emit: updates` each window that has changed since the last commit is told with its last value; with
`final` each once, when it has closed.
"""

from clickstream_processor.topology import keys
from clickstream_processor.topology.interfaces import Outputs
from clickstream_processor.topology.plan import Plan
from clickstream_processor.topology.records.codec import quote
from clickstream_processor.topology.records.records import Counters
from clickstream_processor.topology.users.chunk import Chunk, read_windows
from clickstream_processor.topology.users.count import Spans
from clickstream_processor.topology.users.working_set import WorkingSet

_CACHED_SPANS = 20_000
_SMALL = tuple(str(count) for count in range(1000))


class Results:
    """Those of one task."""

    def __init__(self, plan: Plan, state: WorkingSet, counters: Counters, outputs: Outputs) -> None:
        self._plan, self._windows, self._state = plan, plan.windows, state
        self._counters, self._outputs = counters, outputs
        self._spans = Spans(plan.size_ms)

    def flush(self) -> list[tuple[bytes, bytes]]:
        """Emit what is to be told, return the changelog's records as (key, value). Called once per commit."""
        state, plan, metrics = self._state, self._plan, self._outputs.metrics
        changes, updates = state.changes, plan.emit == "updates"
        chunk_ms = first_ms = -1
        span = ""
        bound = b""
        for chunk in state.touched:
            if not chunk.touched:
                continue  # another object took it over, which stands in the list as well
            if chunk.start_ms != chunk_ms:
                chunk_ms = chunk.start_ms
                first_ms = self._windows.first_start_ms(chunk_ms)
                span = self._spans[first_ms]
                bound = keys.chunk_bound(chunk_ms)
            changes.append((bound + chunk.user_key, chunk.encode(first_ms, plan.step_ms)))
            if updates and plan.tumbling:
                text = _SMALL[chunk.count] if chunk.count < 1000 else chunk.count
                metrics(
                    f'{{"user_id":"{chunk.label}","window_start":{span}{text}}}',
                    chunk.user_key,
                    chunk.latest_ms,
                )
                self._counters.metrics += 1
            elif updates:
                self._emit_marked(chunk, first_ms)
            chunk.touched = 0
        state.touched = []
        if not updates:
            self._emit_closed()
        if len(self._spans) > _CACHED_SPANS:
            self._spans.clear()
        return changes

    def _emit_marked(self, chunk: Chunk, first_ms: int) -> None:
        """Emit the hopping windows of a chunk that have changed since the last commit."""
        for index, count, latest_ms in chunk.counted():
            if chunk.touched >> index & 2:
                span = self._spans[first_ms + index * self._plan.step_ms]
                text = f'{{"user_id":"{chunk.label}","window_start":{span}{count}}}'
                self._outputs.metrics(text, chunk.user_key, latest_ms)
                self._counters.metrics += 1

    def _emit_closed(self) -> None:
        """Emit the results of the windows that have closed since the last commit, oldest chunks first."""
        state, windows = self._state, self._windows
        closed = windows.closed_between(state.emitted_ms, state.closed_ms)
        state.emitted_ms = state.closed_ms
        if not closed:
            return
        first = keys.chunk_bound(windows.chunk_start_ms(closed[0]))
        end = keys.chunk_bound(windows.chunk_start_ms(closed[-1]) + 1)
        for key, value in state.committed_or_changed(first, end):
            self._emit_results(key, value, closed)

    def _emit_results(self, key: bytes, value: bytes, closed: range) -> None:
        """Emit the windows of a stored chunk that are among `closed`."""
        user_key = key[keys.CHUNK_USER :]
        first_ms = self._windows.first_start_ms(keys.chunk_start_ms(key))
        user_id = quote(user_key.decode())
        for index, count, latest_ms in read_windows(value):
            start_ms = first_ms + index * self._plan.step_ms
            if start_ms in closed:
                text = f'{{"user_id":{user_id},"window_start":{self._spans[start_ms]}{count}}}'
                self._outputs.metrics(text, user_key, start_ms + latest_ms)
                self._counters.metrics += 1
