"""Windows made of panes, in event time.

A pane is the half-open interval [start, start + advance); starts are multiples of `advance`. A window is
[start, start + size) with a start that is a multiple of `advance`, never before the epoch: the panes that
start in it, merged. Tumbling windows are one pane each. The size is a multiple of the advance.

A pane closes once time reaches its end plus the grace, and never opens again. A window closes with its last
pane. So a result that was told as final stays as it is. A click in a closed pane counts nowhere, not even in
the hopping windows that still have open panes (Kafka Streams would count it there).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Panes:
    """Where panes and windows begin and end. All ms; raises ValueError where values do not fit."""

    size_ms: int
    advance_ms: int
    grace_ms: int = 0
    retention_ms: int = 0  # how long a closed window stays readable

    def __post_init__(self) -> None:
        if self.advance_ms <= 0 or self.size_ms < self.advance_ms or self.size_ms % self.advance_ms:
            raise ValueError(
                f"window.size is {self.size_ms} ms: must be a multiple of the advance, {self.advance_ms} ms"
            )
        if self.grace_ms < 0 or self.retention_ms < 0:
            raise ValueError("window.grace and window.retention must not be negative")

    @property
    def number(self) -> int:
        """How many panes a window has."""
        return self.size_ms // self.advance_ms

    def pane_start_ms(self, event_ms: int) -> int:
        """Return the start of the pane that holds a time."""
        return event_ms - event_ms % self.advance_ms

    def pane_closes_ms(self, pane_ms: int) -> int:
        """Return the time from which on a pane takes no more clicks."""
        return pane_ms + self.advance_ms + self.grace_ms

    def of_window(self, window_ms: int) -> range:
        """Return the starts of a window's panes."""
        return range(window_ms, window_ms + self.size_ms, self.advance_ms)

    def windows_of(self, pane_ms: int) -> range:
        """Return the starts of the windows that have a pane."""
        return range(max(0, pane_ms - self.size_ms + self.advance_ms), pane_ms + 1, self.advance_ms)

    def last_closed_pane_ms(self, time_ms: int) -> int:
        """Return the start of the newest closed pane; negative: none is."""
        return self.pane_start_ms(time_ms - self.grace_ms) - self.advance_ms

    def last_closed_window_ms(self, time_ms: int) -> int:
        """Return the start of the newest closed window; negative: none is."""
        return self.last_closed_pane_ms(time_ms) - self.size_ms + self.advance_ms

    def first_kept_window_ms(self, time_ms: int) -> int:
        """Return the start of the oldest window that is still readable."""
        return max(0, self.last_closed_window_ms(time_ms - self.retention_ms) + self.advance_ms)

    def first_kept_pane_ms(self, time_ms: int) -> int:
        """Return the start of the oldest pane that is of use: earlier ones belong to no readable window."""
        return self.first_kept_window_ms(time_ms)
