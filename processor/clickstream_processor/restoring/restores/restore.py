"""One task's way to a state it can process or answer from: opened, fenced, asked, read to the end.

A `Restore` is driven by the restore thread (thread.py, driver.py) and holds no Kafka client. Steps:

1. OPENING: open the store.
2. ASKING: an owner fences the former owners (R2); then the logs' ends are asked for (R10).
3. LOOKUP: the newest position record is looked for, from the end of its log backwards.
4. READING: changelog and profiles are applied up to the ends asked for. A standby stays here for good.
5. WAITING: a task never started waits for the source's profiles, then reads the profiles to a new end.
6. DONE: the owner's state belongs to the position.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from clickstream_processor.directory import Phase, Role
from clickstream_processor.faults import NO_FAULTS, Faults
from clickstream_processor.kafka.ends import Log
from clickstream_processor.restoring.positions import newest_of, position_in
from clickstream_processor.restoring.restores.replay import (
    Replay,
    ReplayLimits,
    decide_owner_replay,
    decide_standby_replay,
)
from clickstream_processor.stages.stage import Applier, Stage
from clickstream_processor.state.checkpoint import Position
from clickstream_processor.state.store import TaskStore
from clickstream_processor.task_id import TaskId
from clickstream_processor.topology import keys
from clickstream_processor.topology.interfaces import Message, RefusedRow

# One transaction leaves a position and a marker; aborted ones leave more. Mostly the first try finds it.
LOOK_BACK = (16, 1_024, 65_536)
PROOF_EVERY_MS = 10_000
WIPE_BATCH = 10_000  # RocksDB writes hold the interpreter's lock


class RestoreStep(StrEnum):
    """Where a restoration is."""

    OPENING = "opening"
    ASKING = "asking"
    LOOKUP = "lookup"
    READING = "reading"
    WAITING = "waiting"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Goal:
    """What the worker wants of the restorer for one task. `token` names it in the outcome."""

    token: int
    task: TaskId
    role: Role
    epoch: int
    fence: tuple[int, ...] = ()
    started: bool = False
    store: TaskStore | None = None  # already open: a demoted or recovering owner's


@dataclass(frozen=True, slots=True)
class TaskLogs:
    """The logs of one task, as asked for. `profiles`: its table's; NO_LOG where its stage has none."""

    input: Log
    profiles: Log
    changelog: Log
    positions: Log


NO_LOG = Log(-1, -1)  # nothing is read of it, and its offset stays -1
_NOWHERE = Log(0, 0)
NOT_ASKED = TaskLogs(_NOWHERE, _NOWHERE, _NOWHERE, _NOWHERE)


class NotOpen(AssertionError):
    """A step was taken that needs an open store: a defect of this module's caller."""


@dataclass(slots=True)
class Restore:
    """The state of one goal on its way. Offsets are the next to be read."""

    goal: Goal
    stage: Stage
    limits: ReplayLimits
    wait_for_snapshot: bool
    faults: Faults = NO_FAULTS
    step: RestoreStep = RestoreStep.OPENING
    fenced: bool = False  # the former owners are
    store: TaskStore | None = None
    logs: TaskLogs = NOT_ASKED
    position: Position | None = None
    positions_next: int = -1
    positions_from: int = -1
    tries: int = 0
    changelog_next: int = -1
    profiles_next: int = -1
    profiles_target: int = -1
    tailing: bool = False  # a standby that has been caught up at least once
    as_of_ms: int | None = None
    proved_ms: int = 0
    profiles_lack: bool = False  # the profile table was deleted and is being read again
    lag_records: int = 0
    begun_s: float = field(default_factory=time.monotonic)
    _applier: Applier | None = None

    @property
    def id(self) -> TaskId:
        """Return which task it is."""
        return self.goal.task

    @property
    def partition(self) -> int:
        """Return the task's partition."""
        return self.goal.task.partition

    @property
    def open_store(self) -> TaskStore:
        """Return the store, open from step 2 on."""
        if self.store is None:
            raise NotOpen
        return self.store

    @property
    def applier(self) -> Applier:
        """Return what applies records to the store."""
        if self._applier is None:
            raise NotOpen
        return self._applier

    @property
    def owner(self) -> bool:
        """Tell whether the task is to run here."""
        return self.goal.role is Role.OWNER

    @property
    def phase(self) -> Phase:
        """Return what the directory says of it."""
        if self.step is RestoreStep.WAITING:
            return Phase.WAITING
        return Phase.RUNNING if self.tailing and not self.owner else Phase.RESTORING

    @property
    def known_as_of_ms(self) -> int | None:
        """Return when the state was last known complete: read to the end here, or proved before."""
        if self.as_of_ms is not None or self.store is None:
            return self.as_of_ms
        return self.store.checkpoint.proved_ms

    def opened(self, store: TaskStore) -> None:
        """1 -> 2."""
        self.store = store
        self._applier = self.stage.applier(store, self.partition)
        self.step = RestoreStep.ASKING

    def promote(self, goal: Goal) -> None:
        """Let a standby become the owner: fence, ask again, read what is still missing."""
        self.goal, self.fenced = goal, False
        self.begun_s = time.monotonic()
        if self.store is not None:
            self.step = RestoreStep.ASKING

    def asked(self, logs: TaskLogs) -> None:
        """2 -> 3. The look-up starts near the end; a standby has it already and waits for the new end."""
        self.logs = logs
        self.profiles_target = logs.profiles.high
        if self.positions_next < 0:
            self.look_back()
        self.step = RestoreStep.LOOKUP

    def look_back(self) -> None:
        """Choose the next start of the look-up, further back each time."""
        log = self.logs.positions
        reach = LOOK_BACK[self.tries] if self.tries < len(LOOK_BACK) else log.high - log.low
        self.tries += 1
        self.positions_from = self.positions_next = max(log.low, log.high - reach)

    def looked_up(self) -> bool | None:
        """Tell whether the newest position is known: None while reading, False to look further back."""
        if self.positions_next < self.logs.positions.high:
            return None
        return self.position is not None or self.positions_from <= self.logs.positions.low

    def decide(self, now_ms: int) -> Replay:
        """3 -> 4: return where to read from. Raises PositionLost. The caller wipes and seeks."""
        found = self.open_store.checkpoint
        if self.owner:
            return decide_owner_replay(
                found,
                self.position,
                self.logs.changelog,
                self.logs.profiles,
                started=self.goal.started,
                now_ms=now_ms,
                limits=self.limits,
                faults=self.faults,
            )
        return decide_standby_replay(
            found,
            self.logs.changelog,
            self.logs.profiles,
            now_ms=now_ms,
            limits=self.limits,
            faults=self.faults,
        )

    def reads_from(self, replay: Replay) -> None:
        """Enter step 4."""
        self.changelog_next, self.profiles_next = replay.changelog_from, replay.profiles_from
        self.step = RestoreStep.READING

    def wipe_profiles(self) -> None:
        """Delete the profile table, in batches; the checkpoint's other parts stay."""
        self.profiles_lack = True
        end = bytes([keys.PROFILE[0] + 1])
        store = self.open_store
        users = [key for key, _ in store.scan(keys.PROFILE, end)]
        for i in range(0, len(users), WIPE_BATCH):
            store.write(((key, None) for key in users[i : i + WIPE_BATCH]), store.checkpoint)

    def apply_changelog(self, messages: Sequence[Message]) -> None:
        """Apply a batch and step over it."""
        self.applier.changelog(messages)
        self.changelog_next = _after(messages)

    def apply_profiles(self, messages: Sequence[Message]) -> list[RefusedRow]:
        """Apply a batch and step over it; return what of it was refused."""
        refused = self.applier.profiles(messages)
        self.profiles_next = _after(messages)
        return refused

    def apply_positions(self, messages: Sequence[Message]) -> None:
        """Take the newest position of a batch; other stages' tasks have theirs in the same log.

        What was read before is passed over: the log may be read again from further back, for another task.
        """
        record = newest_of(self.id, messages, self.positions_next)
        if record is not None:
            self.position = position_in(record, self.stage.input)
        self.positions_next = max(self.positions_next, _after(messages))

    def measure(self, changelog_high: int, profiles_high: int, asked_ms: int) -> None:
        """Compare with ends asked for at `asked_ms`; at both, the state is complete as of then (R14)."""
        behind = max(0, changelog_high - self.changelog_next) + max(0, profiles_high - self.profiles_next)
        self.lag_records = behind
        if behind or self._applier is None:
            return
        self.tailing = True
        self.as_of_ms = max(self.as_of_ms or 0, asked_ms)
        if asked_ms - self.proved_ms >= PROOF_EVERY_MS and not self.owner:
            self.applier.caught_up(self.changelog_next, self.profiles_next, asked_ms)
            self.proved_ms = asked_ms

    def has_more(self) -> bool:
        """Tell whether there is more to read, as far as is known."""
        return self.lag_records > 0 or (self.step is RestoreStep.LOOKUP and self.looked_up() is None)

    def has_read(self) -> bool:
        """Tell whether both logs are read to the ends asked for."""
        return self.changelog_next >= self.logs.changelog.high and self.profiles_next >= self.profiles_target

    def needs_snapshot(self) -> bool:
        """Tell whether this is a first start, which waits for the source's snapshot."""
        return self.wait_for_snapshot and self.position is None and not self.goal.started

    def finish(self, now_ms: int) -> None:
        """Enter step 6: the state belongs to the position."""
        self.applier.finish(self.position, self.changelog_next, now_ms)
        self.as_of_ms = now_ms
        self.step = RestoreStep.DONE


def _after(messages: Sequence[Message]) -> int:
    return messages[-1].offset() + 1
