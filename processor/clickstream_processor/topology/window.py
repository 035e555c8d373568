"""Windows in event time, and the chunks their counts are kept in.

A window is the half-open interval [start, start + size); starts are multiples of `advance` (tumbling: equal
to the size). It closes once time reaches its end plus the grace period, and never opens again. As in Kafka
Streams (TimeWindows, KStreamWindowAggregate).

A chunk is an interval of the window's size, aligned to the epoch; it keeps the counts of the windows that
start in it. An event therefore lies in windows of at most two chunks: its own and the one before.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Windows:
    """Where windows and chunks begin and end. All ms."""

    size_ms: int
    advance_ms: int
    grace_ms: int

    def chunk_start_ms(self, event_ms: int) -> int:
        """Return the start of the chunk that holds a time."""
        return event_ms - event_ms % self.size_ms

    def first_start_ms(self, from_ms: int) -> int:
        """Return the first window start at or after a time; never negative."""
        return -(-max(0, from_ms) // self.advance_ms) * self.advance_ms

    def first_open_start_ms(self, event_ms: int, closed_ms: int) -> int:
        """Return the first start of the open windows that hold an event; beyond the event: all are closed."""
        closed_start_ms = closed_ms - self.grace_ms - self.size_ms
        return self.first_start_ms(max(event_ms - self.size_ms, closed_start_ms) + 1)

    def in_chunk(self, chunk_start_ms: int) -> range:
        """Return the starts of the windows of a chunk."""
        first = self.first_start_ms(chunk_start_ms)
        return range(first, chunk_start_ms + self.size_ms, self.advance_ms)

    def closed_between(self, before_ms: int, after_ms: int) -> range:
        """Return the starts of the windows that close as time moves from `before_ms` to `after_ms`."""
        spent = self.grace_ms + self.size_ms
        return range(self.first_start_ms(before_ms - spent + 1), after_ms - spent + 1, self.advance_ms)
