"""The pipeline as the topology needs it: plain values, checked once, never changed while a task runs."""

from dataclasses import dataclass
from typing import Literal

from clickstream_processor.topology.window import Windows

# A click this large is not a click; and its dead letter must still fit a default topic's max.message.bytes.
MAX_CLICK_BYTES = 65_536
# Window index (u16) and event-time offsets in a window (u32 ms) bound the encoded chunk: users/chunk.py.
MAX_WINDOWS_PER_CHUNK = 65_535
MAX_WINDOW_MS = 31 * 24 * 3_600_000  # 744h, as bounds.py has it


@dataclass(frozen=True, slots=True)
class Plan:
    """What one record goes through. Durations are ms; raises ValueError where values do not fit together."""

    clicks_topic: str  # prefix of event_id
    partitions: int  # of the clicks and the profiles topic
    size_ms: int = 300_000
    advance_ms: int | None = None  # None: tumbling, that is: equal to the size
    grace_ms: int = 60_000
    retention_ms: int = 3_600_000  # how long a closed window stays readable
    emit: Literal["updates", "final"] = "updates"
    join: Literal["inner", "left"] = "inner"
    unmatched: Literal["deadLetter", "drop"] = "deadLetter"  # clicks of an inner join without a profile
    late: Literal["deadLetter", "drop"] = "deadLetter"
    max_future_ms: int = 3_600_000  # event time beyond the broker's record time
    drop: tuple[
        str, ...
    ] = ()  # output fields of enriched clicks to leave out; those of `transform` are set after
    earliest_ms: int = 0  # event times before are refused; a pipeline has records.EARLIEST_MS
    max_click_bytes: int = MAX_CLICK_BYTES

    def __post_init__(self) -> None:
        if not 0 < self.size_ms <= MAX_WINDOW_MS:
            raise ValueError(f"window.size is {self.size_ms} ms: must be 1 ms to 31 days")
        if not 0 < self.step_ms <= self.size_ms:
            raise ValueError(
                f"window.advance is {self.step_ms} ms: must be 1 ms to the size, {self.size_ms} ms"
            )
        if self.size_ms > self.step_ms * MAX_WINDOWS_PER_CHUNK:
            raise ValueError(f"window.advance is {self.step_ms} ms: too many windows in {self.size_ms} ms")
        if self.grace_ms < 0 or self.retention_ms < 0 or self.max_future_ms < 0:
            raise ValueError("window.grace, window.retention and maxFuture must not be negative")

    @property
    def step_ms(self) -> int:
        """Distance between the starts of windows."""
        return self.size_ms if self.advance_ms is None else self.advance_ms

    @property
    def tumbling(self) -> bool:
        """Whether each event lies in exactly one window."""
        return self.step_ms == self.size_ms

    @property
    def lead_ms(self) -> int:
        """How far an event time may lead the broker's record time and still be taken as it is."""
        return min(self.grace_ms, self.max_future_ms)

    @property
    def most_ahead_ms(self) -> int:
        """How far a counted event time may be ahead of stream time (ADR 0051)."""
        return self.max_future_ms - self.lead_ms

    @property
    def windows(self) -> Windows:
        """The arithmetic of windows and chunks."""
        return Windows(self.size_ms, self.step_ms, self.grace_ms)

    @property
    def layout(self) -> str:
        """What the state's keys and values depend on; a plan cannot read state of another layout."""
        return f"chunk={self.size_ms} advance={self.step_ms}"

    def expired_before_ms(self, stream_ms: int) -> int:
        """Return the start of the first chunk that is kept: those that start earlier are of no use any more.

        A chunk holds windows that start in it, so its last window ends a window size after the chunk does;
        that one takes clicks for `grace`, and is readable for `retention`.
        """
        last = stream_ms - 2 * self.size_ms - self.grace_ms - self.retention_ms
        return max(0, last - last % self.size_ms + self.size_ms)
