"""Gives each batch of the input to the tasks: tables first, then the records of tasks that need no care.

Records that may be to blame for a failure go through last, a few in a transaction (quarantine.py).
"""

import threading
from collections.abc import Collection, Sequence

from clickstream_processor.errors import TransactionFailed
from clickstream_processor.kafka.client import CLIENT_ERRORS
from clickstream_processor.processing.commits import Commits
from clickstream_processor.processing.liveness import Liveness
from clickstream_processor.processing.output.producer import PodProducer
from clickstream_processor.processing.tasks.consumer import Batch
from clickstream_processor.processing.tasks.quarantine import Quarantine
from clickstream_processor.processing.tasks.running import RunningTasks
from clickstream_processor.processing.tasks.task import Task
from clickstream_processor.processing.transaction import Transactions
from clickstream_processor.restoring.refused_rows import RefusedProfiles
from clickstream_processor.task_id import TaskId
from clickstream_processor.topology.interfaces import Message


class Dispatcher:
    """Used by the worker's thread only."""

    def __init__(
        self,
        running: RunningTasks,
        producer: PodProducer,
        transactions: Transactions,
        commits: Commits,
        quarantine: Quarantine,
        refused: RefusedProfiles,
        liveness: Liveness,
        stopping: threading.Event,
    ) -> None:
        self._running = running
        self._producer = producer
        self._transactions = transactions
        self._commits = commits
        self._quarantine = quarantine
        self._refused = refused
        self._liveness = liveness
        self._stopping = stopping

    def process(self, batch: Batch) -> None:
        """Process a batch. Raises TransactionFailed, TaskBroken, LineFailed."""
        running = self._running.tasks
        for name, messages in batch.rows:
            task = running.get(name)
            if task is not None:
                task.table(messages)
                if task.line.refused:
                    self._tell_refused(task)
        runs = [(running[name], messages) for name, messages in batch.records if name in running]
        self._tell_attempts(runs)
        careful: list[tuple[Task, Sequence[Message]]] = []
        for task, messages in runs:
            if self._quarantine.suspicion(task.id) is not None:
                careful.append((task, messages))
            else:
                self._process_records(task, messages)
        for task, messages in careful:
            self._process_carefully(task, messages)
        for name, position in batch.reached.items():
            task = running.get(name)
            if task is not None:
                task.reached = max(task.reached, position)

    def _process_records(self, task: Task, messages: Sequence[Message]) -> None:
        self._transactions.begin()
        try:
            task.records(messages)
        except CLIENT_ERRORS as error:
            raise TransactionFailed(str(error)) from error
        self._transactions.relieve()

    def _tell_refused(self, task: Task) -> None:
        """Count and name the rows that the task has just refused, and set them aside as dead letters."""
        self._refused.note(task.partition, task.line.refused)
        self._transactions.begin()
        try:
            task.write_refusals()
        except CLIENT_ERRORS as error:
            raise TransactionFailed(str(error)) from error
        self._transactions.relieve()

    def _tell_attempts(self, runs: Collection[tuple[Task, Sequence[Message]]]) -> None:
        """Before the first records of a task that was taken over: commit that they are begun (ADR 0050)."""
        begun: dict[TaskId, Task] = {}
        for task, _ in runs:
            if self._quarantine.suspicion(task.id) is not None or (begun and task.id in begun):
                continue
            if self._quarantine.to_tell(task.id, task.epoch, task.next_record):
                task.begin_attempt(alone=False)
                begun[task.id] = task
        self._commit_attempts(begun.values())

    def _commit_attempts(self, tasks: Collection[Task]) -> None:
        if not tasks:
            return
        self._commits.commit()
        for task in tasks:
            self._quarantine.told(task.id, task.epoch, task.next_record)

    def _process_carefully(self, task: Task, messages: Sequence[Message]) -> None:
        """Process records among which one may be to blame for a failure: see quarantine.py."""
        name = task.id
        messages = [message for message in messages if message.offset() >= task.next_record]
        while part := self._quarantine.take(name, messages):
            if self._stopping.is_set():
                return  # what is not processed is read again
            if self._commits.pending():
                self._commits.commit()
            if self._quarantine.to_tell(name, task.epoch, task.next_record):
                task.begin_attempt(alone=len(part) == 1)
                self._commit_attempts([task])
            messages = messages[len(part) :]
            self._transactions.begin()
            self._producer.bind(task.outputs, careful=True)
            verdicts = self._quarantine.verdicts(name)
            try:
                for message in part:
                    task.outputs.at = message.offset()
                    verdict = verdicts.get(message.offset())
                    if verdict is None:
                        task.records([message])
                    else:
                        task.set_aside(message, verdict)
            except CLIENT_ERRORS as error:
                raise TransactionFailed(str(error)) from error
            self._transactions.relieve()
            self._commits.commit()
            self._liveness.turn()
        self._producer.bind(task.outputs)
        if messages:
            self._process_records(task, messages)
