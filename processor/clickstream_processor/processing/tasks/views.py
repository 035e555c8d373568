"""What the directory shows of the tasks that this pod holds, and of who owns the rest."""

from collections.abc import Collection
from dataclasses import replace

from clickstream_processor.directory import Directory, Phase, Role, TaskView
from clickstream_processor.processing.tasks.holding import Holding, Running, Stopped, Suspended
from clickstream_processor.processing.tasks.holdings import Holdings
from clickstream_processor.processing.tasks.task import Task
from clickstream_processor.restoring.thread import RestoreThread
from clickstream_processor.task_id import CLICKS, TaskId


class TaskViews:
    """Writes `Directory.tasks` and `Directory.routes`. Used by the worker's thread only."""

    def __init__(
        self, directory: Directory, holdings: Holdings, restorer: RestoreThread, partitions: int
    ) -> None:
        self._directory, self._holdings, self._restorer = directory, holdings, restorer
        self._partitions = partitions

    def publish(self, changed: Collection[Task] = ()) -> None:
        """Show what is held; views of running tasks are created again only of `changed`."""
        before = self._directory.tasks
        views: dict[TaskId, TaskView] = {}
        for name, holding in self._holdings.held.items():
            view = before.get(name)
            if not isinstance(holding.state, Running):
                views[name] = _with_last_commit(self._waiting(holding), view)
            elif (
                view is None or view.store is not holding.state.task.store or view.phase is not Phase.RUNNING
            ):
                views[name] = holding.state.task.view()
            else:
                views[name] = view
        views |= {task.id: task.view() for task in changed}
        self._directory.tasks = views

    def publish_routes(self) -> None:
        """Show who owns each partition of each stage, by the assignment that was taken last."""
        assignment = self._holdings.assignment
        if assignment is not None:
            self._directory.routes = assignment.routes(self._partitions)
            self._directory.stage_routes = {
                stage: assignment.routes(self._partitions, stage)
                for stage in {task.stage for task in assignment.tasks} - {CLICKS}
            }

    def _waiting(self, holding: Holding) -> TaskView:
        goal, state = holding.goal, holding.state
        if isinstance(state, Stopped):
            return TaskView(
                goal.task,
                goal.role,
                Phase.STOPPED,
                goal.epoch,
                None,
                None,
                detail=state.detail,
                volume_refuses=state.retry_s is not None,
            )
        progress = self._restorer.progress.get(goal.task)
        if progress is None:
            store = state.store if isinstance(state, Suspended) else None
            as_of_ms = None if store is None else store.checkpoint.proved_ms
            return TaskView(goal.task, goal.role, Phase.RESTORING, goal.epoch, store, as_of_ms)
        return progress.view(goal)


def _with_last_commit(view: TaskView, before: TaskView | None) -> TaskView:
    """Keep the last commit's place of an owner that does not run: its clicks wait as before."""
    if view.committed is not None or view.role is not Role.OWNER or before is None:
        return view
    return replace(view, committed=before.committed) if before.role is Role.OWNER else view
