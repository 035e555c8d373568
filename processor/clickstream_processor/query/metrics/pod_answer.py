"""What pods say to each other of metrics. Pure.

The records travel between pods of different versions during a roll-out: fields are only ever added, with a
default, and unknown ones are ignored (msgspec's rule for structs). A metric is named by its identity: a pod
that knows another definition under the same name does not answer.
"""

import msgspec

from clickstream_processor.aggregation.values.numeric import Number

UNKNOWN_MS = -1


class PodRow(msgspec.Struct, frozen=True, array_like=True):
    """What one window has for one key; bounds where the value is an estimate."""

    key: bytes
    value: Number
    lower: int | None = None
    upper: int | None = None


class PodWindow(msgspec.Struct, frozen=True):
    """One window over some tasks. Aggregates are as stored (aggregation/aggregates.py)."""

    start_ms: int
    keys: int = 0  # that match, (other) not counted
    rows: tuple[PodRow, ...] = ()  # the largest first, without (other)
    other: bytes | None = None  # the aggregate of (other), where it is meant
    total: bytes | None = None  # over all keys that match, with (other); None: nothing, or not asked for


class PodTasks(msgspec.Struct, frozen=True):
    """How far some tasks are."""

    generation: int  # of the assignment that the pod knows
    partitions: tuple[int, ...]  # of the tasks that were read, of those that were asked for
    time_ms: int = UNKNOWN_MS  # the least of the tasks'
    age_ms: int = 0  # of the oldest state; 0: all are current
    since: dict[str, int] = {}  # by the metric's identity in hex: the latest of the tasks'


class PodResult(msgspec.Struct, frozen=True):
    """Windows of one metric over some tasks."""

    tasks: PodTasks
    kept_ms: int  # windows that start before are no longer kept whole by each task
    windows: tuple[PodWindow, ...]
