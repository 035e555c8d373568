"""What is told of windows.

With `updates` it is the new value of each window and key that a commit has touched. With `final` it is each
window once, when it has closed for all clicks partitions.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from clickstream_processor.aggregation.merging.results import ResultWriter
from clickstream_processor.aggregation.metric import Metric, MetricCounters
from clickstream_processor.aggregation.partials import KEY_AT, identity_of, pane_of, pane_prefix
from clickstream_processor.aggregation.pending import Pending
from clickstream_processor.aggregation.values.aggregates import Aggregate
from clickstream_processor.aggregation.windows import KeyInWindow, key_windows, panes_between, read_window


class MetricOutputs(Protocol):
    """Where results go."""

    def result(self, topic: str, value: bytes, key: bytes, timestamp_ms: int, /) -> None:
        """Send the value of one window and key.

        The time is the start of the newest pane that has something for it: never ahead of the clicks, so a
        topic that refuses times in the future takes it.
        """


class Teller:
    """Writes the results of one task."""

    def __init__(
        self,
        state: Pending,
        aggregate: Callable[[bytes], Aggregate | None],
        outputs: MetricOutputs,
        counters: Mapping[str, MetricCounters],
    ) -> None:
        """`aggregate` returns what a key of the state has, decoded."""
        self._state, self._aggregate, self._outputs, self._counters = state, aggregate, outputs, counters
        self._writers: dict[str, ResultWriter] = {}

    def updates(self, metrics: Mapping[bytes, Metric], touched: Iterable[bytes]) -> None:
        """Write the windows that have these keys of panes, whatever their age: none was told as final yet."""
        told = {identity for identity, each in metrics.items() if each.topic and each.emit == "updates"}
        panes_of: dict[tuple[bytes, bytes], list[int]] = {}
        for state_key in touched:
            if identity_of(state_key) in told:
                panes_of.setdefault((identity_of(state_key), state_key[KEY_AT:]), []).append(
                    pane_of(state_key)
                )
        for (identity, key), panes in panes_of.items():
            metric = metrics[identity]
            if metric.panes.number == 1:
                self._tumbling(metric, key, panes)
                continue
            for windows in _joined(metric, sorted(panes)):
                self._hopping(metric, key, windows)

    def final(self, metric: Metric, told_ms: int, closed_ms: int) -> None:
        """Write the windows that start after `told_ms` and up to `closed_ms`, oldest first."""
        if metric.topic is None:
            return
        arithmetic = metric.panes
        first_ms = max(0, told_ms + arithmetic.advance_ms if told_ms >= 0 else 0)
        panes = list(panes_between(self._state, metric, first_ms, closed_ms + arithmetic.size_ms))
        windows = {window for pane_ms in panes for window in arithmetic.windows_of(pane_ms)}
        for window_ms in sorted(windows):
            if first_ms <= window_ms <= closed_ms:
                for found in read_window(self._state, metric, window_ms):
                    self._tell(metric, window_ms, found)

    def _tumbling(self, metric: Metric, key: bytes, panes: list[int]) -> None:
        for pane_ms in panes:
            aggregate = self._aggregate(pane_prefix(metric.identity, pane_ms) + key)
            if aggregate is not None:
                self._tell(metric, pane_ms, KeyInWindow(key, aggregate, pane_ms))

    def _hopping(self, metric: Metric, key: bytes, windows: range) -> None:
        panes = {}
        for pane_ms in range(windows.start, windows[-1] + metric.size_ms, metric.panes.advance_ms):
            aggregate = self._aggregate(pane_prefix(metric.identity, pane_ms) + key)
            if aggregate is not None:
                panes[pane_ms] = aggregate
        for window_ms, found in key_windows(metric, key, panes, windows):
            self._tell(metric, window_ms, found)

    def _tell(self, metric: Metric, window_ms: int, found: KeyInWindow) -> None:
        writer = self._writers.get(metric.name)
        if writer is None:
            writer = self._writers[metric.name] = ResultWriter(metric)
        value, key = writer.write(window_ms, found)
        self._outputs.result(metric.topic or "", value, key, found.newest_pane_ms)
        self._counters[metric.name].results += 1


def _joined(metric: Metric, panes: list[int]) -> list[range]:
    """Return the windows of panes in the order of their starts, as ranges that do not overlap."""
    ranges: list[range] = []
    for pane_ms in panes:
        windows = metric.panes.windows_of(pane_ms)
        if ranges and windows.start <= ranges[-1].stop:
            ranges[-1] = range(ranges[-1].start, windows.stop, windows.step)
        else:
            ranges.append(windows)
    return ranges
