"""Brings tasks to a readable state and keeps standbys there: one thread, off the processing path.

The worker gives goals and takes outcomes; each goal ends in exactly one outcome, except that a standby
stays until it is promoted or withdrawn. A store belongs to this thread from the goal to the outcome.
"""

import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from clickstream_processor import metrics
from clickstream_processor.errors import (
    OUTSIDE_THE_LOG,
    LayoutChanged,
    MalformedRecord,
    PositionLost,
    ProcessorError,
    StateCorrupted,
    StateTooNew,
    StateUnavailable,
)
from clickstream_processor.runtime import client
from clickstream_processor.runtime.crash import CrashPoints
from clickstream_processor.runtime.ends import EndsWatch
from clickstream_processor.runtime.leftovers import Leftovers
from clickstream_processor.runtime.log_reader import LogReader
from clickstream_processor.runtime.outcomes import (
    Outcome,
    Progress,
    Refused,
    Restored,
    Withdrawn,
    progress_of,
)
from clickstream_processor.runtime.preparation import Preparation
from clickstream_processor.runtime.refused import RefusedProfiles
from clickstream_processor.runtime.restoration import Goal, Restoration, Step
from clickstream_processor.runtime.snapshot import SnapshotGate
from clickstream_processor.runtime.watchdog import Watchdog
from clickstream_processor.settings import Settings
from clickstream_processor.state.memory import StateMemory
from clickstream_processor.state.store import TaskStore
from clickstream_processor.topology.interfaces import Message as Record
from clickstream_processor.topology.plan import Plan

log = logging.getLogger(__name__)

BATCH = 5_000  # records a read: a RocksDB write of them holds the interpreter's lock for some 3 ms
POLL_S = 0.05
IDLE_S = 0.25
MEASURE_EVERY_S = 1.0
# What stops a task here and leaves its state alone.
STOPS = (PositionLost, StateTooNew, StateUnavailable, LayoutChanged, MalformedRecord)


class RestorerThread:
    """The thread and its clients; the worker's thread calls `submit`, `withdraw` and `discard`."""

    def __init__(
        self,
        settings: Settings,
        plan: Plan,
        memory: StateMemory,
        crash: CrashPoints,
        watchdog: Watchdog,
        refused: RefusedProfiles,
    ) -> None:
        self._settings = settings
        self._plan = plan
        self._memory = memory
        self._crash = crash
        self._watchdog = watchdog
        self._refused = refused
        self._commands: deque[Callable[[], None]] = deque()
        self._wake = threading.Event()
        self._ended = threading.Event()
        self.leftovers = Leftovers(settings.pod.data_dir / "tasks")
        self.outcomes: deque[Outcome] = deque()
        self.progress: dict[int, Progress] = {}  # replaced whole
        self.failed: BaseException | None = None  # what ended the thread; the process must exit
        self._tasks: dict[int, Restoration] = {}
        self._measured_s = 0.0
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
        self._command(lambda: self._accept(goal))

    def withdraw(self, goal: Goal) -> None:
        """Take a goal back. A Withdrawn follows unless the goal's outcome is on its way already."""
        self._command(lambda: self._give_back(goal))

    def discard(self, store: TaskStore, *, destroy: bool = False) -> None:
        """Close a store that the worker is done with, here, so that no running task waits for it."""
        self._command(lambda: _discard(store, destroy=destroy))

    def clean(self, partition: int) -> None:
        """Delete the state of a task that this pod has not held for long."""
        self._command(lambda: None if partition in self._tasks else self.leftovers.delete(partition))

    def _command(self, command: Callable[[], None]) -> None:
        self._commands.append(command)
        self._wake.set()

    # --- the thread -------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._reader = LogReader(lambda: client.make_consumer(self._settings, "restore"))
            admin = client.make_admin(self._settings, "restore-admin")
            self._preparation = Preparation(
                self._settings, self._plan, admin, self._reader, self._crash, self._watchdog
            )
            self._ends = EndsWatch(admin)
            self._snapshot = SnapshotGate(self._settings.notifications_topic, admin, self._reader)
            while not self._ended.is_set():
                self._turn()
        except BaseException as error:  # handed to the worker, which ends the process
            log.exception("the restorer failed")
            self.failed = error
        finally:
            for task in self._tasks.values():
                if task.store is not None:
                    close_store(task.store)

    def _turn(self) -> None:
        while self._commands:
            self._commands.popleft()()
        for task in list(self._tasks.values()):
            if task.step is Step.OPENING:
                self._open(task)
        self._preparation.ask([task for task in self._tasks.values() if task.step is Step.ASKING])
        if not self._tasks:
            self.progress = {}
            self._wake.wait(IDLE_S)
            self._wake.clear()
            return
        self._read()
        for task in list(self._tasks.values()):
            self._advance(task)
        self._measure()
        self.progress = {p: progress_of(task) for p, task in self._tasks.items()}

    def _accept(self, goal: Goal) -> None:
        held = self._tasks.get(goal.partition)
        if held is not None:
            held.promote(goal)
            return
        settings = self._settings
        wait, skip = settings.processing.join.wait_for_snapshot, settings.pod.unsafe_skip_rule
        task = Restoration(goal, self._plan, self._preparation.limits(), wait_for_snapshot=wait, skip=skip)
        self._tasks[goal.partition] = task
        if goal.store is not None:
            try:
                task.opened(goal.store)
            except STOPS as error:
                self._refuse(task, error)

    def _give_back(self, goal: Goal) -> None:
        task = self._tasks.get(goal.partition)
        if task is not None and task.goal.token == goal.token:
            self._leave(task)
            self.outcomes.append(Withdrawn(goal, task.store))

    def _leave(self, task: Restoration) -> None:
        del self._tasks[task.partition]
        self._reader.forget(self._preparation.task_keys(task.partition))

    def _refuse(self, task: Restoration, error: ProcessorError) -> None:
        self._leave(task)
        log.error("task clicks-%d stops: %s", task.partition, error)
        if task.store is not None:
            close_store(task.store)
        self.outcomes.append(Refused(task.goal, str(error), isinstance(error, StateUnavailable)))

    # --- 1: open ----------------------------------------------------------------------------------------

    def _open(self, task: Restoration) -> None:
        path = task_path(self._settings.pod.data_dir, task.partition)
        try:
            task.opened(TaskStore.open(path, self._memory))
        except STOPS as error:
            self._refuse(task, error)
        except StateCorrupted as error:
            _tell_damage(task.partition, error)
            TaskStore.destroy(path)

    def _reopen(self, task: Restoration) -> None:
        """Delete the store and begin again with an empty one."""
        store = task.open_store
        close_store(store)
        TaskStore.destroy(store.path)
        task.opened(TaskStore.open(store.path, self._memory))

    # --- reading ----------------------------------------------------------------------------------------

    def _read(self) -> None:
        """Take one batch of whatever comes, and apply it partition by partition."""
        with self._watchdog.guard("consume", POLL_S):
            batch = self._reader.read(BATCH, POLL_S)
        for (topic, partition), detail in batch.lost.items():
            self._lost(topic, partition, detail)
        for (topic, partition), messages in batch.records.items():
            self._apply(topic, partition, messages)
        for (topic, partition), offset in batch.reached.items():
            self._reached(topic, partition, offset)

    def _apply(self, topic: str, partition: int, messages: list[Record]) -> None:
        if topic == self._settings.notifications_topic:
            self._snapshot.take(messages)
            return
        task = self._tasks.get(partition)
        if task is None:
            return
        try:
            if topic == self._settings.changelog_topic:
                task.apply_changelog(messages)
            elif topic == self._settings.topics.profiles:
                self._refused.note(partition, task.apply_profiles(messages))
            else:
                task.apply_positions(messages)
                return
        except StateCorrupted as error:
            _tell_damage(partition, error)
            self._start_over(task)
            return
        except STOPS as error:
            self._refuse(task, error)
            return
        metrics.RESTORED_RECORDS.labels(topic).inc(len(messages))

    def _reached(self, topic: str, partition: int, offset: int) -> None:
        task = self._tasks.get(partition)
        if task is None or topic == self._settings.notifications_topic:
            return
        if topic == self._settings.changelog_topic:
            task.changelog_next = max(task.changelog_next, offset)
        elif topic == self._settings.topics.profiles:
            task.profiles_next = max(task.profiles_next, offset)
        else:
            task.positions_next = max(task.positions_next, offset)

    def _lost(self, topic: str, partition: int, detail: str) -> None:
        """A log no longer has the offset asked for: read anew what can be, R14."""
        log.warning("restore of %s-%d: %s", topic, partition, detail)
        task = self._tasks.get(partition)
        if task is not None and topic != self._settings.notifications_topic:
            self._start_over(task)

    def _start_over(self, task: Restoration) -> None:
        self._reader.forget(self._preparation.task_keys(task.partition))
        fresh = Restoration(
            task.goal, self._plan, task.limits, wait_for_snapshot=task.wait_for_snapshot, skip=task.skip
        )
        fresh.store = task.store
        self._tasks[task.partition] = fresh
        self._reopen(fresh)

    # --- 3 to 6 -----------------------------------------------------------------------------------------

    def _advance(self, task: Restoration) -> None:
        try:
            if task.store is not None and task.store.damage is not None:  # a query has found it
                raise task.store.damage
            if task.step is Step.LOOKUP:
                self._look_up(task)
            if task.step is Step.READING and task.owner and task.has_read():
                if not task.needs_snapshot():
                    self._finish(task)
                else:
                    task.step = Step.WAITING
            if task.step is Step.WAITING:
                self._wait_for_snapshot(task)
        except STOPS as error:
            self._refuse(task, error)
        except StateCorrupted as error:
            _tell_damage(task.partition, error)
            self._start_over(task)

    def _look_up(self, task: Restoration) -> None:
        found = task.looked_up()
        if found is None:
            return
        if not found:
            positions = (self._settings.positions_topic, task.partition)
            task.look_back()
            self._reader.forget([positions])
            self._reader.follow([(*positions, task.positions_next)])
            return
        recovery = task.decide(_now_ms())
        if task.changelog_next >= 0:  # a promoted standby reads on where it is
            task.step = Step.READING
            return
        if recovery.wipe:
            log.info("task clicks-%d: the local state is too old or too new: rebuilding it", task.partition)
            logs = task.logs
            self._reopen(task)
            task.logs = logs
        elif recovery.wipe_profiles:
            task.wipe_profiles()
        task.reads_from(recovery)
        partition, settings = task.partition, self._settings
        self._reader.follow(
            [
                (settings.changelog_topic, partition, task.changelog_next),
                (settings.topics.profiles, partition, task.profiles_next),
            ]
        )

    def _wait_for_snapshot(self, task: Restoration) -> None:
        if not self._snapshot.complete:
            self._snapshot.watch()
        elif (end := self._preparation.profiles_end(task.partition)) is not None:
            task.profiles_target = end
            task.wait_for_snapshot = False
            task.step = Step.READING

    def _finish(self, task: Restoration) -> None:
        """Check the clicks' log, close the restore and hand the store over."""
        clicks, position = task.logs.clicks, task.position
        if position is not None and not clicks.low <= position.clicks <= clicks.high:
            raise PositionLost(
                f"position {position.clicks} is outside the log of {self._settings.topics.clicks} "
                f"({clicks.low} to {clicks.high}). {OUTSIDE_THE_LOG}"
            )
        task.finish(_now_ms())
        self._leave(task)
        took_s = time.monotonic() - task.begun_s
        start = clicks.low if position is None else position.clicks
        profiles = max(task.profiles_next, task.open_store.checkpoint.profiles_offset)
        self.outcomes.append(Restored(task.goal, task.open_store, position, start, profiles, took_s))

    def _measure(self) -> None:
        """Once a second, compare what was read with the logs' ends."""
        answer = self._ends.take()
        if answer is not None:
            behind = False
            for partition, task in self._tasks.items():
                changelog, profiles = self._preparation.tail_keys(partition)
                if changelog in answer.high and profiles in answer.high and task.changelog_next >= 0:
                    task.measure(answer.high[changelog], answer.high[profiles], answer.asked_ms)
                behind |= task.has_more()
            if self._watchdog.starves("restore", behind=behind, got=self._reader.has_got()):
                self._reader.replace_consumer()
        now_s = time.monotonic()
        if now_s - self._measured_s >= MEASURE_EVERY_S:
            self._measured_s = now_s
            self._ends.ask(itertools.chain.from_iterable(self._preparation.tail_keys(p) for p in self._tasks))


def task_path(data_dir: Path, partition: int) -> Path:
    """Return the directory of a task's database."""
    return data_dir / "tasks" / f"clicks-{partition}"


def close_store(store: TaskStore) -> None:
    """Close; a volume that refuses even that must not keep the process from what comes next."""
    try:
        store.close()
    except (StateUnavailable, StateCorrupted) as error:
        log.warning("closing %s: %s", store.path.name, error)


def _discard(store: TaskStore, *, destroy: bool) -> None:
    close_store(store)
    if destroy:
        TaskStore.destroy(store.path)


def _tell_damage(partition: int, error: StateCorrupted) -> None:
    metrics.STATES_DAMAGED.inc()
    log.warning("task clicks-%d: the local state is damaged, rebuilding it: %s", partition, error)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
