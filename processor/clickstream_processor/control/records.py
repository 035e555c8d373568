"""The records of the two control topics, as protocol.md defines them; the processor's own decoder.

The controller has another one and the two never import each other: both are tested against the
examples in docs/reference/protocol.md.
"""

from collections.abc import Collection
from typing import Literal

import msgspec

from clickstream_processor.errors import MalformedRecord, ProcessorError
from clickstream_processor.task_id import ALWAYS, TaskId, task_of

VERSION = 1


class ProtocolTooNew(ProcessorError):
    """A newer version wrote the control topics. Exit: going on would act on half of what it meant."""


class Claim(msgspec.Struct, frozen=True):
    """A controller's claim of a term; the highest term is the controller."""

    version: int
    term: int
    controller: str
    at_ms: int


class TaskRecord(msgspec.Struct, frozen=True):
    """Who owns one task. ``epoch`` is the generation of the last change of ``owner``."""

    version: int
    term: int
    generation: int
    epoch: int
    owner: int | None
    fence: tuple[int, ...]  # all owners since the last acknowledged acquisition, the newest last
    standbys: tuple[int, ...]
    started: bool  # a first acquisition was acknowledged: there must be a position


class TaskReport(msgspec.Struct, frozen=True):
    """What a heartbeat says of one task."""

    role: str
    phase: str
    epoch: int
    lag_records: int = 0
    lag_ms: int = 0
    applied: int = -1  # the next offset of the changelog that the state has not; -1: not known
    unpurged: bool = False  # its files may still have what an erasure has deleted


class Heartbeat(msgspec.Struct, frozen=True):
    """A pod's sign of life. The highest ``incarnation`` of an ordinal is the pod."""

    version: int
    ordinal: int
    instance: str
    incarnation: int
    at_ms: int
    generation: int
    term: int
    commits: int
    ended: bool
    tasks: dict[str, TaskReport]
    worker_silent_ms: int = 0
    volume_refuses: bool = False


class Ack(msgspec.Struct, frozen=True):
    """A pod's word on one task in ``epoch``."""

    version: int
    kind: Literal["acquired", "released"]
    epoch: int
    ordinal: int
    instance: str
    at_ms: int


class _Version(msgspec.Struct):
    version: int


_version = msgspec.json.Decoder(_Version)
_claim = msgspec.json.Decoder(Claim)
_assignment = msgspec.json.Decoder(TaskRecord)
_heartbeat = msgspec.json.Decoder(Heartbeat)
_ack = msgspec.json.Decoder(Ack)
encode = msgspec.json.Encoder().encode


def task_in(key: bytes | None, stages: Collection[str] = ALWAYS) -> TaskId:
    """Return the task of a key ``task/<stage>-<p>``; raise MalformedRecord for any other key, or stage."""
    prefix, _, name = (key or b"").partition(b"task/")
    try:
        if prefix:
            raise ValueError("it begins with more than task/")
        return task_of(name.decode(), stages)
    except ValueError as error:
        raise MalformedRecord(f"key {key!r}: {error}") from error


def decode_assignment(
    key: bytes | None, value: bytes, stages: Collection[str] = ALWAYS
) -> Claim | TaskRecord:
    """Decode a record of the assignment topic. Raises MalformedRecord or ProtocolTooNew."""
    try:
        _check_version(key, value)
        if key == b"claim":
            return _claim.decode(value)
        task_in(key, stages)
        return _assignment.decode(value)
    except msgspec.DecodeError as error:
        raise MalformedRecord(f"record {key!r}: {error}") from error


def decode_ack(key: bytes | None, value: bytes, stages: Collection[str] = ALWAYS) -> Heartbeat | Ack:
    """Decode a record of the acks topic. Raises MalformedRecord or ProtocolTooNew."""
    try:
        _check_version(key, value)
        if key is not None and key.startswith(b"pod/"):
            return _heartbeat.decode(value)
        task_in(key, stages)
        return _ack.decode(value)
    except msgspec.DecodeError as error:
        raise MalformedRecord(f"record {key!r}: {error}") from error


def _check_version(key: bytes | None, value: bytes) -> None:
    version = _version.decode(value).version
    if version > VERSION:
        raise ProtocolTooNew(
            f"record {key!r} has version {version}; this program knows {VERSION}: upgrade it"
        )
