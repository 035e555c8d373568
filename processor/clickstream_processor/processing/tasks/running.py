"""The tasks that run here, each with its input and its way out."""

from clickstream_processor.processing.output.producer import PodProducer
from clickstream_processor.processing.tasks.consumer import Input
from clickstream_processor.processing.tasks.task import Task
from clickstream_processor.restoring.restores.outcomes import Restored
from clickstream_processor.stages.stage import Stages
from clickstream_processor.state.memory import StateMemory
from clickstream_processor.state.store import TaskStore
from clickstream_processor.task_id import TaskId


class RunningTasks:
    """Used by the worker's thread only; `tasks` is changed by `start` and `stop` alone."""

    def __init__(self, stages: Stages, memory: StateMemory, producer: PodProducer, inputs: Input) -> None:
        self._stages, self._memory = stages, memory
        self._producer, self._input = producer, inputs
        self.tasks: dict[TaskId, Task] = {}

    def start(self, restored: Restored, store: TaskStore, owned: int) -> Task:
        """Start a restored task. `owned`: how many of its stage this pod owns, which share the cache."""
        task = Task(
            self._stages[restored.goal.task.stage],
            store,
            restored.goal.task,
            restored.goal.epoch,
            restored.records_from,
            restored.position,
            self._memory.cached_users(max(1, owned)),
        )
        self._producer.bind(task.outputs)
        self._input.add(task.id, restored.records_from, restored.profiles_from)
        self.tasks[task.id] = task
        return task

    def stop(self, name: TaskId) -> Task:
        """Stop a task without a commit; its store stays open."""
        self._input.remove(name)
        task = self.tasks.pop(name)
        task.outputs.unbind()
        return task

    def skip_lost(self, name: TaskId) -> tuple[int, int]:
        """Let a task go on at the start of its input's log; return where it was, and where it is.

        Raises KafkaException.
        """
        task = self.tasks[name]
        before = task.next_record
        task.skip_to(self._input.move(name))
        return before, task.next_record

    def bind(self) -> None:
        """Let every task's outputs go through the current producer."""
        for task in self.tasks.values():
            self._producer.bind(task.outputs)

    def unbind(self) -> None:
        """Let every task go of its producer, before the next one is made."""
        for task in self.tasks.values():
            task.outputs.unbind()

    def limit_outputs(self) -> None:
        """Tell every task how large an enriched click may be: topics may be given other limits."""
        for task in self.tasks.values():
            task.line.limit_outputs(self._producer.output_bytes())
