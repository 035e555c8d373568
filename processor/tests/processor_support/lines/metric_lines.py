"""Both stages of a metric without Kafka, as pods run them: commits and failures at random places."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from clickstream_processor.aggregation.gathering.gathering import Gathering
from clickstream_processor.aggregation.gathering.loop import Row
from clickstream_processor.aggregation.merging.line import MetricsLine
from clickstream_processor.aggregation.metric import Metric

from processor_support.lines.metrics_rig import NOW_MS, Captured, Panes, Record

Topic = list[list[Record]]  # committed partials, by partition


@dataclass
class ClicksTask:
    """The clicks of one partition; what it gathers counts once it is committed."""

    metric: Metric
    partition: int
    rows: Sequence[Row]
    topic: Topic
    at: int = 0
    committed: int = 0
    late: int = 0  # of committed clicks
    _late_before: int = 0

    def __post_init__(self) -> None:
        self._begin()

    @property
    def time_ms(self) -> int:
        """Return the partition's time, of the clicks that are read."""
        return self.rows[self.at - 1][4] if self.at else -1

    def step(self, random: Random) -> None:
        """Read some clicks, then commit, or fail, or neither."""
        end = min(len(self.rows), self.at + 1 + int(random.expovariate(1 / 20)))
        self._gathering.add(self.rows[self.at : end])
        self.at = end
        choice = random.random()
        if choice < 0.1:
            self._fail(random)
        elif choice < 0.4 or self.is_done():
            self.commit()

    def commit(self) -> None:
        """Write what was gathered."""
        for partition, records in self._records().items():
            self.topic[partition] += records
        self.committed = self.at
        self.late += self._late() - self._late_before
        self._late_before = self._late()

    def is_done(self) -> bool:
        """Tell whether all clicks are read."""
        return self.at == len(self.rows)

    def _fail(self, random: Random) -> None:
        """Lose what is uncommitted: with a transaction that had everything, or before it."""
        if random.random() < 0.5:
            self._records()
        if random.random() < 0.5:
            self._begin()
        else:
            self._gathering.rollback()
            self._late_before = self._late()
        self.at = self.committed

    def _begin(self) -> None:
        self._gathering = Gathering([self.metric], self.partition, len(self.topic))
        self._late_before = 0

    def _records(self) -> dict[int, list[Record]]:
        time_ms, found = self.time_ms, defaultdict[int, list[Record]](list)
        for partition, key, value, _ in self._gathering.flush(time_ms, idle=time_ms < 0):
            found[partition].append(Record(key, value))
        return found

    def _late(self) -> int:
        return self._gathering.counters[self.metric.name].late


@dataclass
class MergingTask:
    """One partition of the partials over a state in a dict; results count once they are committed."""

    metric: Metric
    partials: list[Record]
    clicks_partitions: int
    cached: int
    state: Panes = field(default_factory=Panes)
    at: int = 0
    committed: int = 0
    results: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._begin()

    def step(self, random: Random) -> None:
        """Read some records, then commit, or fail, or neither."""
        end = min(len(self.partials), self.at + int(random.expovariate(1 / 20)))
        self._line.records(self.partials[self.at : end])
        self.at = end
        choice = random.random()
        if choice < 0.1:
            self._fail(random)
        elif choice < 0.4:
            self.commit()

    def finish(self) -> None:
        """Read everything and commit."""
        self._line.records(self.partials[self.at :])
        self.at = len(self.partials)
        self.commit()

    def commit(self) -> None:
        """Commit state and results."""
        self.state.commit(self._line.flush())
        self._line.settle()
        self.results += self._out.results
        self._out.results.clear()
        self.committed = self.at

    def _fail(self, random: Random) -> None:
        if random.random() < 0.5:
            self._line.flush()
        if random.random() < 0.5:
            self._begin()
        else:
            self._line.rollback()
            self._out.results.clear()
        self.at = self.committed

    def _begin(self) -> None:
        self._out = Captured()
        self._line = MetricsLine(
            [self.metric], self.state, self.clicks_partitions, self._out, NOW_MS, cached=self.cached
        )


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of it: results in order, a key's always in one partition; clicks that were late."""

    results: list[dict[str, Any]]
    late: int
    time_ms: int  # what all clicks partitions have passed


def run(metric: Metric, rows: Sequence[Sequence[Row]], partitions: int, random: Random) -> Ran:
    """Send each clicks partition's rows through both stages, in turns that are random."""
    topic: Topic = [[] for _ in range(partitions)]
    clicks = [ClicksTask(metric, number, each, topic) for number, each in enumerate(rows)]
    merging = [MergingTask(metric, partials, len(rows), random.choice((1, 20, 20_000))) for partials in topic]
    while waiting := [task for task in clicks if not task.is_done()]:
        random.choice(waiting).step(random)
        random.choice(merging).step(random)
    for task in clicks:
        task.commit()  # the only one of those that have no clicks: they say so
    for each in merging:
        each.finish()
    results = [result for each in merging for result in each.results]
    times = [task.time_ms for task in clicks if task.rows]
    return Ran(results, sum(task.late for task in clicks), min(times))
