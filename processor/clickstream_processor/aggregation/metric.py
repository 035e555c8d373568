"""A metric: what is counted of which clicks or sessions, by which keys, in which windows. Never changed."""

import hashlib
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import msgspec
from clickstream_expressions.expression import (
    Expression,
    compile_filter,
    compile_key,
    compile_number,
    compile_scalar,
)

from clickstream_processor.aggregation.panes import Panes
from clickstream_processor.aggregation.values.aggregates import Kind
from clickstream_processor.aggregation.values.keys import MAX_KEYS

ID_BYTES = 8
_DEFINITION = 1  # the version of what the identity is made of
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_FIELD = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,62}")


@dataclass(frozen=True)
class Metric:
    """One metric. Durations are ms. Raises ValueError or InvalidExpression where a value cannot be used.

    `where`, the values of `by` and `value` are CEL over `click` and `profile`; with `of: sessions` over
    `session` and `profile`. `value` belongs to all kinds but `count`. A key that has no place among the
    `max_keys` of a pane counts under `(other)`. `grace_ms` of a metric of sessions has in it how long a
    session stays open (SessionWindows.closes_ms).
    """

    name: str
    kind: Kind = "count"
    value: str = ""
    where: str = ""  # empty: every joined click
    by: dict[str, str] = field(default_factory=dict)  # empty: one total
    size_ms: int = 300_000
    advance_ms: int | None = None  # None: tumbling, that is: equal to the size
    grace_ms: int = 60_000
    retention_ms: int = 3_600_000
    topic: str | None = None  # None: read by queries only
    emit: Literal["updates", "final"] = "updates"
    max_keys: int = 10_000
    of: Literal["clicks", "sessions"] = "clicks"

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"name {self.name!r:.80}: must be small letters, digits and -, at most 63")
        if len(self.by) > MAX_KEYS:
            raise ValueError(f"{self.name}.by has {len(self.by)} keys: must be at most {MAX_KEYS}")
        for key in self.by:
            if not _FIELD.fullmatch(key):
                raise ValueError(f"{self.name}.by: {key!r:.80} must be letters, digits and _, no digit first")
        if (self.kind == "count") is bool(self.value):
            raise ValueError(f"{self.name}: every aggregate but count has a value, and count has none")
        if self.max_keys < 1:
            raise ValueError(f"{self.name}.keys.max is {self.max_keys}: must be 1 or more")
        _ = self.panes, self.condition, self.keys, self.operand

    @cached_property
    def panes(self) -> Panes:
        """The arithmetic of panes and windows."""
        advance_ms = self.size_ms if self.advance_ms is None else self.advance_ms
        return Panes(self.size_ms, advance_ms, self.grace_ms, self.retention_ms)

    @cached_property
    def identity(self) -> bytes:
        """The digest of what partials depend on: where any of it changes, this is a new metric."""
        parts: tuple[Any, ...] = (self.name, self.where.strip(), list(self.by.items()), self.kind, self.value)
        if self.of != "clicks":
            parts = (*parts, self.of)
        definition = msgspec.json.encode((_DEFINITION, *parts, self.panes.advance_ms))
        return hashlib.sha256(definition).digest()[:ID_BYTES]

    @cached_property
    def condition(self) -> Expression | None:
        """Which clicks count; None: all."""
        return compile_filter(self.where, f"{self.name}.where", self._subject)

    @cached_property
    def keys(self) -> tuple[Expression, ...]:
        """The values by which clicks are told apart."""
        return tuple(
            compile_key(f"{self.name}.by.{key}", source, self._subject) for key, source in self.by.items()
        )

    @cached_property
    def operand(self) -> Expression | None:
        """What is added up, compared or told apart; None: clicks are counted."""
        if self.kind == "count":
            return None
        compiled = compile_scalar if self.kind == "distinct" else compile_number
        return compiled(f"{self.name}.{self.kind}", self.value, self._subject)

    @property
    def _subject(self) -> Literal["click", "session"]:
        return "click" if self.of == "clicks" else "session"

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """All expressions."""
        return tuple(each for each in (self.condition, *self.keys, self.operand) if each is not None)


class MetricCounters:
    """Plain counts of one metric since it was made; the runtime reads them as differences, but for `keys`."""

    __slots__ = ("failed", "keys", "last_error", "late", "merged", "other", "results", "slow")

    def __init__(self) -> None:
        self.failed = 0  # clicks for which an expression had no value
        self.last_error = ""
        self.late = 0  # clicks whose pane was closed
        self.slow = 0  # clicks that the expressions' library evaluated after their own Python could not
        self.other = 0  # keys that found no place, once for each time that they were looked up
        self.merged = 0  # partials merged
        self.keys = 0  # of the newest pane, without (other)
        self.results = 0  # results written

    def fail(self, error: Exception) -> None:
        """Count a failed evaluation."""
        self.failed += 1
        self.last_error = str(error)[:300]

    def snapshot(self) -> dict[str, Any]:
        """Return a copy of all counts as plain values."""
        return {name: getattr(self, name) for name in self.__slots__}


def by_identity(metrics: "tuple[Metric, ...]") -> dict[bytes, Metric]:
    """Return the metrics by their identity; raises ValueError where two have one name."""
    names = [metric.name for metric in metrics]
    if len(set(names)) != len(names):
        raise ValueError(f"two metrics have one name: {sorted(names)}")
    return {metric.identity: metric for metric in metrics}
