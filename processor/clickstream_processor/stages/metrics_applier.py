"""Brings a metrics task's state back from its changelog."""

from collections.abc import Sequence

from clickstream_processor.aggregation.metric import Metric, by_identity
from clickstream_processor.aggregation.partials import (
    MARK,
    METRIC,
    PANE,
    decode_mark,
    end_of,
    pane_prefix,
    times_of,
)
from clickstream_processor.errors import MalformedPartial, StateCorrupted
from clickstream_processor.stages.plain import PlainApplier
from clickstream_processor.state.changes import Change
from clickstream_processor.state.store import TaskStore


class MetricsApplier(PlainApplier):
    """As any changelog is applied; what has expired goes, as it does at the owner's. An Applier."""

    prefixes = (PANE, MARK, METRIC)

    def __init__(self, store: TaskStore, metrics: Sequence[Metric], partitions: int) -> None:
        super().__init__(store)
        self._metrics = by_identity(tuple(metrics))
        self._partitions = partitions
        self._kept: dict[bytes, int] = {}  # by metric: start of the first pane that has not expired

    def expired(self, changes: Sequence[Change]) -> list[tuple[bytes, bytes]]:
        """Return the ranges of panes that expire with the marks among these changes."""
        marks = [change for change in changes if change[0][:1] == MARK]
        if not marks:
            return []
        stored = dict(self._store.scan(MARK, end_of(MARK)))
        stored.update((key, value) for key, value in marks if value is not None)
        try:
            told = dict(decode_mark(key, value) for key, value in stored.items())
        except MalformedPartial as error:
            raise StateCorrupted(f"what a metrics task remembers: {error}") from error
        times = times_of(told, self._partitions, self._metrics.values())
        moved = []
        for identity, metric in self._metrics.items():
            time_ms = times.of(metric)
            kept_ms = metric.panes.first_kept_pane_ms(time_ms) if time_ms >= 0 else 0
            if kept_ms > self._kept.get(identity, 0):
                self._kept[identity] = kept_ms
                moved.append((pane_prefix(identity, 0), pane_prefix(identity, kept_ms)))
        return moved
