"""Finds the clicks behind a failed transaction, and tells the quarantine."""

from clickstream_processor.errors import LineFailed, TransactionFailed
from clickstream_processor.processing.output.delivery import refused_partitions
from clickstream_processor.processing.output.producer import PodProducer
from clickstream_processor.processing.tasks.quarantine import Quarantine
from clickstream_processor.processing.tasks.running import RunningTasks
from clickstream_processor.processing.tasks.task import Task
from clickstream_processor.stages.stage import Stages
from clickstream_processor.task_id import TaskId


class Culprits:
    """Used by the worker's thread only, between a failure and the end of its producer."""

    def __init__(
        self,
        running: RunningTasks,
        producer: PodProducer,
        quarantine: Quarantine,
        stages: Stages,
        partitions: int,
    ) -> None:
        self._running = running
        self._producer = producer
        self._quarantine = quarantine
        self._partitions = partitions
        self._spread = frozenset[str]().union(*(stage.spread for stage in stages.values()))
        self.learned = False  # the last failure has told something new of a click

    def find(self, error: TransactionFailed | LineFailed) -> dict[TaskId, str]:
        """Take in what the failed transaction says of its clicks; return tasks to stop, with why."""
        self.learned = False
        stopped: dict[TaskId, str] = {}
        if self._quarantine.careful:
            self._producer.hear_refusals()
        for task in self._suspects(error):
            name = task.id
            self._quarantine.suspect(name, task.next_record)
            known, outputs = self._quarantine.known(name), task.outputs
            if not outputs.careful:
                continue  # which click it was shows the next time
            if isinstance(error, LineFailed) and error.task == name:
                self._quarantine.failed(name, task.first_in_hand, task.in_hand, error.offset, error.cause)
            else:
                detail = self._quarantine.refused(name, task.first_in_hand, task.in_hand, outputs.refusals)
                if detail is not None:
                    stopped[name] = detail
            if self._quarantine.known(name) != known:
                self.learned = True
        return stopped

    def _suspects(self, error: TransactionFailed | LineFailed) -> list[Task]:
        """Return the tasks with clicks in hand that may be to blame; none, where the world is."""
        tasks = [task for task in self._running.tasks.values() if task.in_hand]
        if isinstance(error, LineFailed):
            return [task for task in tasks if task.id == error.task]
        refused = refused_partitions(self._producer.current, error, self._partitions, self._spread)
        return [task for task in tasks if task.partition in refused or task.outputs.refusals]
