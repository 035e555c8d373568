"""What a look saw of one pipeline, as one value; what follows from it is in decided.py."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from clickstream_operator.database.facts import Look
from clickstream_operator.database.memory import SourceMemory
from clickstream_operator.kube.kinds import Document

ObjectId = tuple[str, str]  # kind, name


@dataclass(frozen=True, slots=True)
class SecretState:
    """A Secret that exists: its keys and a digest of its contents, never the contents."""

    keys: frozenset[str]
    digest: str


@dataclass(frozen=True, slots=True)
class TaskState:
    """One task as the pod that holds it says."""

    pod: int
    role: str  # owner, standby
    phase: str  # restoring, waiting, running, stopped
    lag_ms: int | None = 0  # None: the pod does not know it
    detail: str = ""
    standing_ms: int = 0  # for how long its clicks wait without a commit


@dataclass(frozen=True, slots=True)
class PodState:
    """One pod's answer to /status."""

    ordinal: int
    index_ready: bool
    index_detail: str
    tasks: Mapping[str, TaskState]
    topic_findings: tuple[str, ...] = ()  # options of topics that do not fit the pipeline
    clicks_s: float = 0.0  # clicks a second, of the last few
    refused_s: float = 0.0  # of these, dead letters
    dead_lettered: Mapping[str, int] = field(default_factory=dict)  # by reason, since the pod's start


@dataclass(frozen=True, slots=True)
class AssignmentState:
    """What the pipeline's controller knows."""

    term: int = 0  # 0: it has not taken office yet
    replicas: int = 0  # how many pods it last planned for
    undrained: frozenset[int] = frozenset()  # pods beyond them that still hold something
    held: bool = False  # more than half of the pods look dead: nothing is moved
    kafka: str = ""  # why Kafka cannot be used; empty when it can
    problem: str = ""  # why it cannot work at all


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that planning and status look at. Absent is absent, not unknown, unless said."""

    children: Mapping[ObjectId, Document] = field(default_factory=dict)
    # Objects that carry a name this pipeline needs and do not belong to it.
    foreign: Mapping[ObjectId, Document] = field(default_factory=dict)
    connect: Document | None = None
    # The pods of that Connect; None: they are not watched.
    connect_pods: Sequence[Document] | None = None
    strimzi_version: str | None = None  # None: Strimzi is not installed
    has_gateways: bool = False  # the Gateway API is installed
    secrets: Mapping[str, SecretState] = field(default_factory=dict)
    denied: tuple[str, ...] = ()  # Secrets the Connect may not read
    pods: Mapping[int, PodState] = field(default_factory=dict)  # only pods that answered
    # (secret, key) -> value of what a Kafka client of this pipeline needs.
    kafka_secrets: Mapping[tuple[str, str], str] = field(default_factory=dict, repr=False)
    # Volume claims by name; looked at only while they must grow, or the pipeline is taken down.
    claims: Mapping[str, Document] = field(default_factory=dict)
    assignment: AssignmentState | None = None  # None: no controller runs here
    # Pods by ordinal; looked at only while one is not ready or a roll-out is under way.
    pod_objects: Mapping[int, Document] = field(default_factory=dict)
    collector_pods: Sequence[Document] = ()  # looked at only while not all of them are ready
    source: Look | None = None  # the last look at the database; None: this operator does not look
    memory: SourceMemory = field(default_factory=SourceMemory)  # what is remembered of the source
    now_s: float = 0.0  # the wall clock of this look
    redact: Any = field(default=str, repr=False)  # takes every known secret value out of a text

    def child(self, kind: str, name: str) -> Document | None:
        """Return an own object."""
        return self.children.get((kind, name))

    def connectors(self) -> dict[str, Document]:
        """Return the own KafkaConnectors by name."""
        return {name: d for (kind, name), d in self.children.items() if kind == "KafkaConnector" and d}

    def tasks(self) -> dict[str, list[TaskState]]:
        """Return every task with the pods that hold it."""
        held: dict[str, list[TaskState]] = {}
        for pod in self.pods.values():
            for name, task in pod.tasks.items():
                held.setdefault(name, []).append(task)
        return held

    def index_ready(self) -> bool:
        """Tell whether a pod has put the index template in place."""
        return any(pod.index_ready for pod in self.pods.values())


def condition(document: Document | None, kind: str) -> Document:
    """Return a condition of an object's status, {} when it has none that is about its present spec."""
    status = (document or {}).get("status", {})
    found: Document = next((c for c in status.get("conditions", []) if c.get("type") == kind), {})
    generation = (document or {}).get("metadata", {}).get("generation", 0)
    return found if status.get("observedGeneration", generation) >= generation else {}
