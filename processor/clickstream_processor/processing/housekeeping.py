"""What the worker does once a second beside its input: idle windows, topics, measures, refused volumes."""

import time

from clickstream_processor.directory import Directory, Phase
from clickstream_processor.processing.lag_watch import LagWatch
from clickstream_processor.processing.reporting import Reporter
from clickstream_processor.processing.tasks.consumer import Input
from clickstream_processor.processing.tasks.holdings import Holdings
from clickstream_processor.processing.tasks.quarantine import Quarantine
from clickstream_processor.processing.tasks.running import RunningTasks
from clickstream_processor.processing.tasks.views import TaskViews
from clickstream_processor.processing.topics_watch import TopicsWatch
from clickstream_processor.state.memory import StateMemory

REPORT_EVERY_S = 5.0
PROVE_EVERY_MS = 600_000  # an idle task commits its position this often: its state stays proved (R14)


class Housekeeping:
    """Used by the worker's thread only."""

    def __init__(
        self,
        directory: Directory,
        memory: StateMemory,
        inputs: Input,
        holdings: Holdings,
        running: RunningTasks,
        quarantine: Quarantine,
        views: TaskViews,
        topics: TopicsWatch,
        lag: LagWatch,
        reporter: Reporter,
    ) -> None:
        self._directory = directory
        self._memory = memory
        self._input = inputs
        self._holdings = holdings
        self._running = running
        self._quarantine = quarantine
        self._views = views
        self._topics = topics
        self._lag = lag
        self._reporter = reporter
        self._report_s = 0.0

    def each_second(self, turned_s: float) -> None:
        """Do it all. `turned_s`: monotonic time of the loop's turn. Raises TaskBroken."""
        now_ms = time.time_ns() // 1_000_000
        tasks = self._running.tasks
        self._measure_lag()
        for task in tasks.values():
            task.check()
            if now_ms - task.committed_ms > PROVE_EVERY_MS:
                task.touched = True
        self._heed_topics()
        self._running.limit_outputs()
        self._quarantine.keep(t for t, view in self._directory.tasks.items() if view.phase != Phase.STOPPED)
        self._views.publish_routes()
        self._holdings.retry()
        if turned_s - self._report_s >= REPORT_EVERY_S and tasks:
            self._report_s = turned_s
            self._input.report(
                {name: task.next_record for name, task in tasks.items() if task.position is not None}
            )
        self._views.publish(list(tasks.values()))
        self._reporter.measured(tasks.values(), self._memory, now_ms)

    def _measure_lag(self) -> None:
        """Compare the tasks with the input's end, where brokers have told it; let idle windows close."""
        answer = self._lag.take()
        if answer is None:
            return
        behind = set()  # stages
        for task in self._running.tasks.values():
            high = answer.high.get(task.stage.input_of(task.partition))
            if high is not None:
                if high > task.reached:
                    behind.add(task.id.stage)
                if task.measure(high, answer.asked_ms):
                    task.tick(answer.asked_ms)
        self._input.tell_progress(behind=behind)

    def _heed_topics(self) -> None:
        """Look at the topics; let the tasks that stopped for them go on when they are right again."""
        before = self._topics.problem
        if self._topics.look(time.monotonic()) and before:
            self._holdings.readmit(before)
