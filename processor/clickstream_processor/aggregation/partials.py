"""Records between the stages, and the state's keys. A partial is what one commit adds to one pane of one key.

    record    key                                                value
    partial   v  metric's identity 8  pane start 8, big-endian   the aggregate (aggregates.py)
                 key (keys.py)
    mark      k  clicks partition 4, big-endian                  closed time 8, big-endian: ms

A mark says that its clicks partition counts no more clicks in panes that are closed at that time. It follows,
in its partition, all partials of such panes. A partition that has never had a click says IDLE_MS: nobody
waits for it, until it says a time. Where the clock may say a time (`emit: final`), a second mark with
BY_CLICKS in its partition says how far the clicks themselves have come. The state of a `metrics` task has the
same keys, with all partials merged, and

    metric    i  metric's identity 8                             since 8, last told window 8: ms, signed

Panes stand in the order of time, so those that expire are one range of a metric.
"""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from clickstream_processor.aggregation.metric import ID_BYTES, Metric
from clickstream_processor.aggregation.values.keys import OTHER, decode_key
from clickstream_processor.errors import MalformedPartial

PANE = b"v"
MARK = b"k"
METRIC = b"i"
PREFIX_BYTES = 1 + ID_BYTES
KEY_AT = PREFIX_BYTES + 8  # where the key begins in a pane's key
LATEST_MS = 2**53
IDLE_MS = LATEST_MS
BY_CLICKS = 1 << 31

_MARK_KEY = struct.Struct(">cI")
_TIME = struct.Struct(">Q")
_METRIC = struct.Struct(">qq")


def metric_prefix(identity: bytes) -> bytes:
    """Return what all panes of a metric begin with."""
    return PANE + identity


def pane_prefix(identity: bytes, pane_ms: int) -> bytes:
    """Return what all keys of one pane begin with; no pane that starts earlier comes after it."""
    return PANE + identity + pane_ms.to_bytes(8, "big")


def identity_of(record_key: bytes) -> bytes:
    """Return the metric's identity, of a key that is a pane's."""
    return record_key[1:PREFIX_BYTES]


def pane_of(record_key: bytes) -> int:
    """Return the start of the pane, of a key that is a pane's."""
    return int.from_bytes(record_key[PREFIX_BYTES:KEY_AT], "big")


def split_partial_key(record_key: bytes) -> tuple[bytes, int, bytes]:
    """Return identity, pane start and key of a partial's record key; raises MalformedPartial."""
    if len(record_key) < KEY_AT or record_key[:1] != PANE:
        raise MalformedPartial(f"a partial's key of {len(record_key)} bytes")
    pane_ms, key = pane_of(record_key), record_key[KEY_AT:]
    if pane_ms > LATEST_MS:
        raise MalformedPartial(f"a pane that starts at {pane_ms} ms")
    return record_key[1:PREFIX_BYTES], pane_ms, key


def check_key(key: bytes, values: int) -> None:
    """Raise MalformedPartial unless a key has that many values, or is (other)."""
    decoded = decode_key(key)
    if key != OTHER and (decoded is None or len(decoded) != values):
        raise MalformedPartial(f"a key of {len(decoded or ())} values in place of {values}")


def end_of(prefix: bytes) -> bytes:
    """Return the first key after all that begin with a prefix that is not 255 throughout."""
    trimmed = prefix.rstrip(b"\xff")
    return trimmed[:-1] + bytes((trimmed[-1] + 1,))


def encode_mark(partition: int, closed_ms: int) -> tuple[bytes, bytes]:
    """Return a mark's key and value."""
    return _MARK_KEY.pack(MARK, partition), _TIME.pack(closed_ms)


def decode_mark(record_key: bytes, value: bytes) -> tuple[int, int]:
    """Return clicks partition and closed time; raises MalformedPartial."""
    try:
        kind, partition = _MARK_KEY.unpack(record_key)
        (closed_ms,) = _TIME.unpack(value)
    except struct.error as error:
        raise MalformedPartial(f"a mark: {error}") from error
    if kind != MARK or closed_ms > LATEST_MS:
        raise MalformedPartial(f"a mark of {closed_ms} ms")
    return partition, closed_ms


@dataclass(frozen=True, slots=True)
class Times:
    """How far all clicks partitions have come, ms; -1 while one of them was not heard of."""

    told: int  # by clicks, or by the clock
    clicks: int  # by clicks alone

    def of(self, metric: Metric) -> int:
        """Return the time of a metric: a click that is in time for `emit: updates` must find its pane."""
        return self.told if metric.emit == "final" else self.clicks


def times_of(marks: Mapping[int, int], partitions: int, metrics: Iterable[Metric]) -> Times:
    """Return the times that marks say: by partition, with BY_CLICKS or without."""
    told = {partition: mark for partition, mark in marks.items() if partition < partitions}
    time_ms = time_of(told, partitions)
    if time_ms < 0 or not any(metric.emit == "final" for metric in metrics):
        return Times(time_ms, time_ms)  # no clock has said any of them, and no second mark is new
    clicks = {each: min(mark, marks.get(each | BY_CLICKS, mark)) for each, mark in told.items()}
    return Times(time_ms, time_of(clicks, partitions))


def time_of(marks: Mapping[int, int], partitions: int) -> int:
    """Return the time that all clicks partitions have passed, -1 while one of them was not heard of."""
    if len(marks) < partitions:
        return -1
    return min((mark for mark in marks.values() if mark != IDLE_MS), default=-1)


def encode_metric(since_ms: int, told_ms: int) -> bytes:
    """Return what the state remembers of a metric."""
    return _METRIC.pack(since_ms, told_ms)


def decode_metric(value: bytes) -> tuple[int, int]:
    """Return since when a metric is counted, and the start of the newest window told as final."""
    try:
        since_ms, told_ms = _METRIC.unpack(value)
    except struct.error as error:
        raise MalformedPartial(f"a metric's record: {error}") from error
    return since_ms, told_ms
