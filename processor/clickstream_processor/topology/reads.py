"""What an expression reads of a click and a profile, and the library's variables made of just that.

The library converts a map whole, before it evaluates, so a map holds only the fields that the
expression names: nothing in a field that nobody reads can fail the evaluation or cost time.
"""

import math
from typing import Any

from msgspec import UNSET

from clickstream_processor.topology.checked import Ident, Node, Select, children


class WholeRecord(Exception):
    """The expression uses a click or a profile as a whole, which is not offered. Refuse it."""

    def __init__(self, node_id: int, record: str) -> None:
        super().__init__(record)
        self.node_id = node_id
        self.record = record


class Reads:
    """The variables of one expression."""

    def __init__(self, root: Node) -> None:
        """Collect them, or raise WholeRecord."""
        self._declared: dict[str, tuple[str, str]] = {}  # variable -> record, attribute
        self._click = _Extras()
        self._profile = _Extras()
        self._collect(root)

    @property
    def click_fields(self) -> tuple[str, ...]:
        """Names of the fields beyond the declared ones."""
        return self._click.names

    @property
    def profile_fields(self) -> tuple[str, ...]:
        """Names of the columns beyond the declared ones."""
        return self._profile.names

    def activation(self, click: Any, profile: Any) -> dict[str, Any]:
        """Return the variables' values. Without a profile every column that is read is null."""
        data: dict[str, Any] = {}
        for variable, (record, attribute) in self._declared.items():
            holder = click if record == "click" else profile
            data[variable] = None if holder is None else getattr(holder, attribute)
        if self._click.names:
            data["click"] = self._click.of(click)
        if self._profile.names:
            data["profile"] = self._profile.nulls() if profile is None else self._profile.of(profile)
        return data

    def _collect(self, node: Node) -> None:
        match node:
            case Select(operand=Ident(name="click")):
                self._click.add(node)
            case Select(operand=Ident(name="profile")):
                self._profile.add(node)
            case Ident(name="click" | "profile"):
                raise WholeRecord(node.id, node.name)
            case Ident() if "." in node.name:
                record, _, attribute = node.name.partition(".")
                self._declared[node.name] = record, attribute
            case _:
                for child in children(node):
                    self._collect(child)


class _Extras:
    """The members of one record that are not declared."""

    def __init__(self) -> None:
        self._selected: dict[str, None] = {}  # ordered sets: the same order in every process
        self._tested: dict[str, None] = {}

    def add(self, node: Select) -> None:
        (self._tested if node.test else self._selected)[node.field] = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._selected | self._tested)

    def of(self, record: Any) -> dict[str, Any]:
        row = {}
        for name in self.names:
            value = getattr(record, name)
            if value is not UNSET:
                row[name] = _in_range(value) if name in self._selected else None
        return row

    def nulls(self) -> dict[str, None]:
        """Stand for the row of no profile: null where it is read, absent where has() asks."""
        return {name: None for name in self._selected if name not in self._tested}


def _in_range(value: Any) -> Any:
    """Return the value with integers beyond 64 bits as doubles, as JSON readers have them."""
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    if isinstance(value, list):
        return [_in_range(element) for element in value]
    if isinstance(value, dict):
        return {key: _in_range(element) for key, element in value.items()}
    return value
