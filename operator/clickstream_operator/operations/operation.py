"""What a replay and an erasure have in common: their names, their phases, and what their pods say. Pure."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Protocol

from clickstream_operator.condition import Condition
from clickstream_operator.errors import InvalidSpec, Problem
from clickstream_operator.kube.kinds import Document, Kind
from clickstream_operator.spec.fields import duration_ms

FILE_VERSION = 1  # of the file that the Job reads
WEEK_S = 7 * 86_400.0


class Phase(StrEnum):
    """In one word, what an operation is doing."""

    WAITING = "Waiting"
    STARTING = "Starting"
    READING = "Reading"
    SURVEYING = "Surveying"
    ERASING = "Erasing"
    SETTLING = "Settling"
    VERIFYING = "Verifying"
    COMPLETE = "Complete"
    FAILED = "Failed"


ENDS = (Phase.COMPLETE, Phase.FAILED)


class Progress(Protocol):
    """What a pod says of its operation: while it runs, and as its last word."""

    @property
    def phase(self) -> str:
        """Return the program's word; `done` when all is done."""

    @property
    def message(self) -> str:
        """Return what the program says beside it, mostly why it failed."""

    def redacted(self, redact: Callable[[str], str]) -> "Progress":
        """Return it without secrets."""

    def under_way(self, tries: str) -> tuple[Phase, Condition]:
        """Return the phase and Complete while it runs. `tries`: a sentence on tries that failed, or empty."""

    def completed(self) -> Condition:
        """Return Complete when it is done."""

    def cut_off(self) -> str:
        """Return what to say where the pod was ended before it was done."""

    def fields(self, before: Document) -> Document:
        """Return what it gives the status. `before`: the last status."""


@dataclass(frozen=True, slots=True)
class Operation(ABC):
    """One resource as its author wrote it."""

    KIND: ClassVar[Kind]
    NOUN: ClassVar[str]  # part of names: of its objects, labels, files and variables
    PROGRAM: ClassVar[str]  # the module that the Job runs
    BEGINS: ClassVar[str]  # said in the Event of the start, before the pipeline's name
    AFTER_FAILURE: ClassVar[str]  # what stays, and what to do
    ASKS_SEARCH: ClassVar[bool]  # whether its Job asks the search engine
    LAST_LINES: ClassVar[bool]  # whether the last lines of a pod without a last word may be shown
    TOLD: ClassVar[tuple[str, ...]]  # fields of the status that stay while nothing new is known

    namespace: str
    name: str
    uid: str
    pipeline: str
    ttl_s: float = WEEK_S

    @abstractmethod
    def file(self) -> dict[str, Any]:
        """Return what the Job's program reads."""

    @abstractmethod
    def read(self, answer: Mapping[str, Any]) -> Progress:
        """Return what a pod's answer says. Raises ValueError where it says nothing."""

    def problem(self) -> str:
        """Return what is wrong with its expressions; empty when they can run."""
        return ""

    def needs(self) -> str:
        """Return a sentence about what its pod waits for beside an image and a node; empty: nothing."""
        return ""

    def hidden(self) -> tuple[str, ...]:
        """Return texts of the spec that must not be shown elsewhere."""
        return ()

    @property
    def is_file_secret(self) -> bool:
        """Tell whether the file is kept in a Secret."""
        return False

    @property
    def users_secret(self) -> tuple[str, str] | None:
        """Return name and key of a Secret that the Job reads users from."""
        return None


def read_last_word(operation: Operation, text: str) -> Progress | None:
    """Return what a container's termination message says; None where it says nothing."""
    try:
        return operation.read(json.loads(text))
    except (ValueError, RecursionError):
        return None


def common_fields(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that every operation has. Raises InvalidSpec."""
    meta, spec = document["metadata"], document["spec"]
    if "pipeline" not in spec:
        raise InvalidSpec([Problem("spec.pipeline", "", "is required")])
    return {
        "namespace": str(meta["namespace"]),
        "name": str(meta["name"]),
        "uid": str(meta["uid"]),
        "pipeline": str(spec["pipeline"]),
        "ttl_s": _ttl_s(str(spec.get("ttlAfterFinished") or "7d")),
    }


def _ttl_s(text: str) -> float:
    try:
        return duration_ms(text) / 1000
    except AttributeError:  # no such form
        raise InvalidSpec([Problem("spec.ttlAfterFinished", text, "must be a duration such as 7d")]) from None
