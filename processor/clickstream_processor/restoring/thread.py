"""Brings tasks to a readable state and keeps standbys there: one thread, off the processing path.

The worker gives goals and takes outcomes; each goal ends in exactly one outcome, except that a standby
stays until it is promoted or withdrawn. A store belongs to this thread from the goal to the outcome.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable

from clickstream_processor.faults import Faults
from clickstream_processor.kafka import client
from clickstream_processor.kafka.ends import EndsWatch
from clickstream_processor.kafka.log_reader import LogReader
from clickstream_processor.kafka.watchdog import Watchdog
from clickstream_processor.restoring.driver import RestoreDriver
from clickstream_processor.restoring.gates import gate_of
from clickstream_processor.restoring.leftovers import Leftovers
from clickstream_processor.restoring.positions import PositionLogs
from clickstream_processor.restoring.reading import Reading
from clickstream_processor.restoring.refused_rows import RefusedProfiles
from clickstream_processor.restoring.restores.outcomes import Outcome, Progress, progress_of
from clickstream_processor.restoring.restores.preparation import Preparation
from clickstream_processor.restoring.restores.restore import Goal, Restore, RestoreStep
from clickstream_processor.restoring.restores.restores import Restores
from clickstream_processor.restoring.stores import close_store, discard_store
from clickstream_processor.settings.settings import Settings
from clickstream_processor.stages.stage import Stages
from clickstream_processor.state.memory import StateMemory
from clickstream_processor.state.store import TaskStore
from clickstream_processor.task_id import TaskId

log = logging.getLogger(__name__)

IDLE_S = 0.25


class RestoreThread:
    """The thread and its clients; the worker's thread calls `submit`, `withdraw` and `discard`."""

    def __init__(
        self,
        settings: Settings,
        stages: Stages,
        memory: StateMemory,
        faults: Faults,
        watchdog: Watchdog,
        refused: RefusedProfiles,
    ) -> None:
        self._settings = settings
        self._stages = stages
        self._memory = memory
        self._faults = faults
        self._watchdog = watchdog
        self._refused = refused
        self._commands: deque[Callable[[], None]] = deque()
        self._wake = threading.Event()
        self._ended = threading.Event()
        self.leftovers = Leftovers(settings.pod.data_dir / "tasks")
        self.outcomes: deque[Outcome] = deque()
        self.progress: dict[TaskId, Progress] = {}  # replaced whole
        self.failed: BaseException | None = None  # what ended the thread; the process must exit
        self._tasks: dict[TaskId, Restore] = {}
        self._thread = threading.Thread(target=self._run, name="restorer", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """End the thread; every store that is still here is closed."""
        self._ended.set()
        self._wake.set()
        self._thread.join(timeout_s)

    def submit(self, goal: Goal) -> None:
        """Bring a task to a state; an owner's goal for a standby that is here promotes it."""
        self._command(lambda: self._restores.begin(goal))

    def withdraw(self, goal: Goal) -> None:
        """Take a goal back. A Withdrawn follows unless the goal's outcome is on its way already."""
        self._command(lambda: self._restores.give_back(goal))

    def discard(self, store: TaskStore, *, destroy: bool = False) -> None:
        """Close a store that the worker is done with, here, so that no running task waits for it."""
        self._command(lambda: discard_store(store, destroy=destroy))

    def clean(self, task: TaskId) -> None:
        """Delete the state of a task that this pod has not held for long."""
        self._command(lambda: None if task in self._tasks else self.leftovers.delete(task))

    def _command(self, command: Callable[[], None]) -> None:
        self._commands.append(command)
        self._wake.set()

    # --- the thread -------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._set_up()
            while not self._ended.is_set():
                self._turn()
        except BaseException as error:  # handed to the worker, which ends the process
            log.exception("the restorer failed")
            self.failed = error
        finally:
            for task in self._tasks.values():
                if task.store is not None:
                    close_store(task.store)

    def _set_up(self) -> None:
        settings = self._settings
        reader = LogReader(lambda: client.make_consumer(settings, "restore"))
        admin = client.make_admin(settings, "restore-admin")
        positions = PositionLogs(settings.positions_topic, reader)
        preparation = Preparation(settings, self._stages, admin, positions, self._faults, self._watchdog)
        ends = EndsWatch(admin)
        snapshot = gate_of(settings, admin, reader)
        self._preparation = preparation
        self._restores = Restores(
            settings,
            self._stages,
            self._memory,
            self._faults,
            reader,
            preparation,
            positions,
            self._tasks,
            self.outcomes,
        )
        self._reading = Reading(
            settings, self._restores, reader, preparation, ends, snapshot, self._refused, self._watchdog
        )
        self._driver = RestoreDriver(self._restores, reader, preparation, positions, snapshot)

    def _turn(self) -> None:
        while self._commands:
            self._commands.popleft()()
        for task in list(self._tasks.values()):
            if task.step is RestoreStep.OPENING:
                self._restores.open(task)
        self._preparation.ask([task for task in self._tasks.values() if task.step is RestoreStep.ASKING])
        if not self._tasks:
            self.progress = {}
            self._wake.wait(IDLE_S)
            self._wake.clear()
            return
        self._reading.read()
        for task in list(self._tasks.values()):
            self._driver.advance(task)
        self._reading.measure()
        self.progress = {name: progress_of(task) for name, task in self._tasks.items()}
