"""The records of the two control topics, as docs/reference/protocol.md defines them.

Values are frozen; bytes are JSON. The processor has its own decoder of the same format and the
two never import each other: both are tested against the examples in docs/reference/protocol.md.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

VERSION = 1
CLAIM_KEY = b"claim"
_TASK_KEY = re.compile(r"^task/(.+)$")
_POD_KEY = re.compile(r"^pod/(\d+)$")


class MalformedRecord(Exception):
    """The bytes are no record of the protocol. Skip it, log it, keep going."""


class ProtocolTooNew(Exception):
    """A newer version wrote the control topics. Stop: going on would act on half of what it meant."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A controller's claim of a term; the highest term is the controller."""

    term: int
    controller: str
    at_ms: int
    pipeline: str = ""  # namespace/name of the ClickPipeline


@dataclass(frozen=True, slots=True)
class Assignment:
    """Who owns one task. ``epoch`` is the generation of the last change of ``owner``."""

    task: str
    term: int
    generation: int
    epoch: int
    owner: int | None
    fence: tuple[int, ...] = ()  # all owners since the last acknowledged acquisition, the newest last
    standbys: tuple[int, ...] = ()
    started: bool = False  # a first acquisition was acknowledged: there must be a position


@dataclass(frozen=True, slots=True)
class TaskReport:
    """What a heartbeat says of one task."""

    role: str  # owner, standby
    phase: str  # restoring, waiting, running, stopped
    epoch: int
    lag_records: int = 0
    lag_ms: int = 0


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A pod's sign of life. The highest ``incarnation`` of an ordinal is the pod."""

    ordinal: int
    instance: str
    incarnation: int
    at_ms: int
    generation: int
    term: int
    commits: int
    ended: bool
    tasks: Mapping[str, TaskReport] = field(default_factory=dict)
    worker_silent_ms: int = 0
    volume_refuses: bool = False  # full, read-only or broken: its tasks are better off elsewhere


@dataclass(frozen=True, slots=True)
class Ack:
    """A pod's word on one task: ``acquired`` or ``released`` in ``epoch``."""

    task: str
    kind: str
    epoch: int
    ordinal: int
    instance: str
    at_ms: int


Record = Claim | Assignment | Heartbeat | Ack


def encode(record: Claim | Assignment) -> tuple[bytes, bytes]:
    """Return key and value of a record of the assignment topic."""
    body: dict[str, Any]
    if isinstance(record, Claim):
        key = CLAIM_KEY
        body = {
            "term": record.term,
            "controller": record.controller,
            "pipeline": record.pipeline,
            "at_ms": record.at_ms,
        }
    else:
        key = f"task/{record.task}".encode()
        body = {
            "term": record.term,
            "generation": record.generation,
            "epoch": record.epoch,
            "owner": record.owner,
            "fence": list(record.fence),
            "standbys": list(record.standbys),
            "started": record.started,
        }
    return key, json.dumps({"version": VERSION, **body}, separators=(",", ":")).encode()


def decode_assignment(key: bytes | None, value: bytes | None) -> Claim | Assignment | None:
    """Decode a record of the assignment topic; ``None`` for a tombstone."""
    if value is None:
        return None
    body = _body(key, value)
    with _Reading(key):
        if key == CLAIM_KEY:
            return Claim(
                term=_int(body, "term"),
                controller=_str(body, "controller"),
                at_ms=_int(body, "at_ms"),
                pipeline=_str(body, "pipeline") if "pipeline" in body else "",
            )
        owner = body["owner"]
        return Assignment(
            task=_task(key),
            term=_int(body, "term"),
            generation=_int(body, "generation"),
            epoch=_int(body, "epoch"),
            owner=None if owner is None else _int(body, "owner"),
            fence=_ordinals(body, "fence"),
            standbys=_ordinals(body, "standbys"),
            started=bool(body["started"]),
        )


def decode_ack(key: bytes | None, value: bytes | None) -> Heartbeat | Ack | None:
    """Decode a record of the acks topic; ``None`` for a tombstone."""
    if value is None:
        return None
    body = _body(key, value)
    with _Reading(key):
        if _POD_KEY.match((key or b"").decode()):
            return Heartbeat(
                ordinal=_int(body, "ordinal"),
                instance=_str(body, "instance"),
                incarnation=_int(body, "incarnation"),
                at_ms=_int(body, "at_ms"),
                generation=_int(body, "generation"),
                term=_int(body, "term"),
                commits=_int(body, "commits"),
                ended=bool(body["ended"]),
                tasks={task: _report(report) for task, report in body["tasks"].items()},
                worker_silent_ms=_int(body, "worker_silent_ms") if "worker_silent_ms" in body else 0,
                volume_refuses=bool(body.get("volume_refuses", False)),
            )
        kind = _str(body, "kind")
        if kind not in ("acquired", "released"):
            raise ValueError(f"kind {kind!r}")
        return Ack(
            task=_task(key),
            kind=kind,
            epoch=_int(body, "epoch"),
            ordinal=_int(body, "ordinal"),
            instance=_str(body, "instance"),
            at_ms=_int(body, "at_ms"),
        )


class _Reading:
    """Turns any error of reading a field into MalformedRecord, at this module's edge."""

    def __init__(self, key: bytes | None) -> None:
        self._key = key

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (KeyError, TypeError, ValueError, AttributeError)):
            raise MalformedRecord(f"record {self._key!r}: {error!r}") from error


def _body(key: bytes | None, value: bytes) -> dict[str, Any]:
    with _Reading(key):
        body = json.loads(value)
        version = body["version"]
        if not isinstance(version, int) or version < 1:
            raise ValueError(f"version {version!r}")
    if version > VERSION:
        raise ProtocolTooNew(f"record {key!r} has version {version}; this program knows {VERSION}")
    return dict(body)


def _task(key: bytes | None) -> str:
    match = _TASK_KEY.match((key or b"").decode())
    if match is None:
        raise ValueError("neither a claim, a pod nor a task")
    return match[1]


def _int(body: Mapping[str, Any], name: str) -> int:
    value = body[name]
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} is {value!r}, not an integer")
    return value


def _str(body: Mapping[str, Any], name: str) -> str:
    value = body[name]
    if not isinstance(value, str):
        raise TypeError(f"{name} is {value!r}, not a string")
    return value


def _ordinals(body: Mapping[str, Any], name: str) -> tuple[int, ...]:
    return tuple(_int({name: ordinal}, name) for ordinal in body[name])


def _report(report: Mapping[str, Any]) -> TaskReport:
    return TaskReport(
        role=_str(report, "role"),
        phase=_str(report, "phase"),
        epoch=_int(report, "epoch"),
        lag_records=_int(report, "lag_records"),
        lag_ms=_int(report, "lag_ms"),
    )
