"""What this pod holds and who owns the rest: written by the runtime, read by the query side.

The seam between the worker thread and the HTTP thread. Values are replaced, never
changed in place, so a reader needs no lock: it takes a reference once and reads that.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from clickstream_processor.backlog import Backlog, LastCommit
from clickstream_processor.commit_health import CommitHealth
from clickstream_processor.incidents import Incident
from clickstream_processor.state.store import TaskStore
from clickstream_processor.task_id import CLICKS, TaskId
from clickstream_processor.topic_finding import TopicFinding


class Role(StrEnum):
    """What this pod does for a task."""

    OWNER = "owner"
    STANDBY = "standby"


class Phase(StrEnum):
    """Where a task is in its life. Only a RUNNING owner answers queries without a staleness mark."""

    RESTORING = "restoring"
    WAITING = "waiting"  # restored; holds the first click until the source's snapshot is complete
    RUNNING = "running"
    STOPPED = "stopped"  # refuses to go on; `detail` says why and what to do


@dataclass(frozen=True, slots=True)
class TaskView:
    """One task of this pod, as a reader may see it."""

    task: TaskId
    role: Role
    phase: Phase
    epoch: int
    store: TaskStore | None  # committed state; None while it cannot be read: wiped, or restored from nothing
    as_of_ms: int | None  # wall clock at which the state was last known complete; None: at no known time
    committed: LastCommit | None = None  # owner: the last commit's place; None: none yet, or not known
    restore_records: int = 0  # standby, restoring: records still to read; an owner's lag is in `backlogs`
    stream_ms: int = -1
    detail: str = ""
    volume_refuses: bool = False  # STOPPED for that: another pod could run it, and it is tried again here


@dataclass(frozen=True, slots=True)
class Routes:
    """Who owns each partition of one stage, by pod ordinal; None while nobody does."""

    generation: int
    owners: tuple[int | None, ...]
    standbys: tuple[tuple[int, ...], ...]
    as_of_ms: int | None  # wall clock at which the control topic was last known to be read to its end


@dataclass(frozen=True, slots=True)
class ProcessTotals:
    """Counts since this process started; replaced once per commit."""

    clicks: int = 0
    enriched: int = 0
    filtered: int = 0
    duplicates: int = 0
    dead_lettered: dict[str, int] = field(default_factory=dict)  # reason -> records
    profiles: int = 0
    commits: int = 0
    cpu_s: float = 0.0  # processor time of this process


class Directory:
    """The one mutable holder; each attribute is replaced whole by exactly one thread, mostly the worker."""

    def __init__(self, ordinal: int, routes: Routes) -> None:
        self.ordinal = ordinal
        self.instance = ""
        self.routes = routes  # of the tasks that hold the users' counts
        self.stage_routes: Mapping[str, Routes] = {}  # of the tasks of the other stages, by stage
        self.tasks: dict[TaskId, TaskView] = {}
        self.backlogs: dict[TaskId, Backlog] = {}  # of owned tasks; written by the lag watch
        self.commits = CommitHealth()
        self.totals = ProcessTotals()
        self.ready = False  # can route: the assignment is known
        self.quarantined: tuple[Incident, ...] = ()  # the newest first
        self.refused_profiles: tuple[Incident, ...] = ()  # the newest first
        self.topic_findings: tuple[TopicFinding, ...] = ()
        self.brokers_seen_ms: int | None = (
            None  # wall clock of a broker's last sign of life; by the lag watch
        )

    def routes_of(self, stage: str) -> Routes:
        """Return who owns a stage's partitions; nobody, where the stage is not known yet."""
        routes = self.routes if stage == CLICKS else self.stage_routes.get(stage)
        if routes is not None:
            return routes
        partitions = len(self.routes.owners)
        return Routes(self.routes.generation, (None,) * partitions, ((),) * partitions, self.routes.as_of_ms)
