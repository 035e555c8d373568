"""What an expression reads of a click and a profile, and the library's variables made of just that.

The library converts a map whole, before it evaluates, so a map holds only the fields that the
expression names, if it names them: nothing in another field can fail the evaluation or cost time.
"""

import math
from collections.abc import Mapping
from typing import Any

from clickstream_expressions.checked import Ident, Node, Select, children


class Reads:
    """The variables of one expression."""

    def __init__(self, root: Node) -> None:
        self._declared: dict[str, tuple[str, str]] = {}  # variable -> record, attribute
        self._click = _Members()
        self._profile = _Members()
        self._collect(root)

    @property
    def fields(self) -> bool:
        """Tell whether the click's JSON object is needed: something beyond the declared fields is read."""
        return self._click.used

    @property
    def columns(self) -> bool:
        """Tell whether the profile's row is needed."""
        return self._profile.used

    def activation(
        self, click: Any, profile: Any, fields: Mapping[str, Any] | None, columns: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """Return the variables' values. Without a profile every column that is read is null."""
        data: dict[str, Any] = {}
        for variable, (record, attribute) in self._declared.items():
            holder = click if record == "click" else profile
            data[variable] = None if holder is None else getattr(holder, attribute)
        if self._click.used:
            data["click"] = self._click.of(fields or {})
        if self._profile.used:
            data["profile"] = self._profile.nulls() if profile is None else self._profile.of(columns or {})
        return data

    def _collect(self, node: Node) -> None:
        match node:
            case Select(operand=Ident(name="click")):
                self._click.add(node)
            case Select(operand=Ident(name="profile")):
                self._profile.add(node)
            case Ident(name="click"):
                self._click.whole = True
            case Ident(name="profile"):
                self._profile.whole = True
            case Ident() if "." in node.name:
                record, _, attribute = node.name.partition(".")
                self._declared[node.name] = record, attribute
            case _:
                for child in children(node):
                    self._collect(child)


class _Members:
    """Which members of one map an expression names, or that it uses the map as a whole."""

    def __init__(self) -> None:
        self.whole = False
        self._selected: set[str] = set()
        self._tested: set[str] = set()

    def add(self, node: Select) -> None:
        (self._tested if node.test else self._selected).add(node.field)

    @property
    def used(self) -> bool:
        return self.whole or bool(self._selected or self._tested)

    def of(self, mapping: Mapping[str, Any]) -> dict[str, Any]:
        if self.whole:
            return {name: _in_range(value) for name, value in mapping.items()}
        row: dict[str, Any] = {name: None for name in self._tested if name in mapping}
        row |= {name: _in_range(mapping[name]) for name in self._selected if name in mapping}
        return row

    def nulls(self) -> dict[str, None]:
        """Stand for the row of no profile: null where it is read, absent where has() asks."""
        return {} if self.whole else dict.fromkeys(self._selected - self._tested)


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
