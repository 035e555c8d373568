"""The tasks that run here, each with its input and its way out."""

from clickstream_processor.processing.output.producer import PodProducer
from clickstream_processor.processing.tasks.consumer import Input
from clickstream_processor.processing.tasks.programs import Programs
from clickstream_processor.processing.tasks.task import Task
from clickstream_processor.restoring.outcomes import Restored
from clickstream_processor.state.memory import StateMemory
from clickstream_processor.state.store import TaskStore
from clickstream_processor.topology.plan import Plan


class RunningTasks:
    """Used by the worker's thread only; `tasks` is changed by `start` and `stop` alone."""

    def __init__(
        self, plan: Plan, programs: Programs, memory: StateMemory, producer: PodProducer, inputs: Input
    ) -> None:
        self._plan, self._programs, self._memory = plan, programs, memory
        self._producer, self._input = producer, inputs
        self.tasks: dict[int, Task] = {}  # by partition

    def start(self, restored: Restored, store: TaskStore, owned: int) -> Task:
        """Start a restored task. `owned`: how many tasks this pod owns, which share the cache."""
        task = Task(
            self._plan,
            self._programs,
            store,
            restored.goal.partition,
            restored.goal.epoch,
            restored.clicks_from,
            restored.position,
            self._memory.cached_users(max(1, owned)),
        )
        self._producer.bind(task.outputs)
        self._input.add(task.partition, restored.clicks_from, restored.profiles_from)
        self.tasks[task.partition] = task
        return task

    def stop(self, partition: int) -> Task:
        """Stop a task without a commit; its store stays open."""
        self._input.remove(partition)
        task = self.tasks.pop(partition)
        task.outputs.unbind()
        return task

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
            task.pipeline.limit_outputs(self._producer.output_bytes())
