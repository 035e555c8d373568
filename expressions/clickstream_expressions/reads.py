"""What an expression reads of a click, or a session, and a profile: the library's variables are just that.

The library converts a map whole, before it evaluates, so a map holds only the fields that the
expression names, if it names them: nothing in another field can fail the evaluation or cost time.
"""

from collections.abc import Mapping
from typing import Any

from clickstream_expressions.cel_tree import Call, Const, Ident, Node, Select, children
from clickstream_expressions.values import fit


class Reads:
    """The variables of one expression."""

    def __init__(self, root: Node) -> None:
        self._declared: dict[str, tuple[str, str]] = {}  # variable -> record, attribute
        self._click = Members("click")
        self._profile = Members("profile")
        self._collect(root)

    @property
    def fields(self) -> bool:
        """Tell whether the click's JSON object is needed: something beyond the declared fields is read."""
        return self._click.used

    @property
    def click_fields(self) -> frozenset[str] | None:
        """Return the names of the click's fields beyond the declared ones; None: any may be read."""
        return None if self._click.whole else self._click.named

    @property
    def columns(self) -> bool:
        """Tell whether the profile's row is needed."""
        return self._profile.used

    @property
    def profile_columns(self) -> frozenset[str] | None:
        """Return the profile's columns that are named, declared ones too; None when it is used as a whole."""
        if self._profile.whole:
            return None
        declared = (attribute for record, attribute in self._declared.values() if record == "profile")
        return self._profile.named | frozenset(declared)

    def activation(
        self, click: Any, profile: Any, fields: Mapping[str, Any] | None, columns: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """Return the variables' values. Without a profile every column that is read is null."""
        data: dict[str, Any] = {}
        for variable, (record, attribute) in self._declared.items():
            holder = profile if record == "profile" else click
            value = None if holder is None else getattr(holder, attribute)
            data[variable] = fit(value, variable) if value.__class__ is str else value
        if self._click.used:
            data["click"] = self._click.of(fields or {})
        if self._profile.used:
            data["profile"] = self._profile.nulls() if profile is None else self._profile.of(columns or {})
        return data

    def _collect(self, node: Node) -> None:
        match node:
            case Select(operand=Ident(name="click" | "profile" as record), field=field, test=test):
                self._members(record).add(field, test)
            case Call(
                function="_[_]",
                args=(Ident(name="click" | "profile" as record), Const(kind="string", value=str(field))),
            ):
                self._members(record).add(field, False)
            case Call(
                function="@in",
                args=(Const(kind="string", value=str(field)), Ident(name="click" | "profile" as record)),
            ):
                self._members(record).add(field, True)
            case Ident(name="click" | "profile" as record):
                self._members(record).whole = True
            case Ident() if "." in node.name:
                holder, _, attribute = node.name.partition(".")
                self._declared[node.name] = holder, attribute
            case _:
                for child in children(node):
                    self._collect(child)

    def _members(self, record: str) -> "Members":
        return self._click if record == "click" else self._profile


class Members:
    """Which members of one map an expression names, or that it uses the map as a whole."""

    def __init__(self, record: str) -> None:
        """``record``: the map's name."""
        self._record = record
        self.whole = False
        self._selected: set[str] = set()
        self._tested: set[str] = set()

    def add(self, field: str, test: bool) -> None:
        """Note a member that is read; ``test``: only asked for with has() or in."""
        (self._tested if test else self._selected).add(field)

    @property
    def named(self) -> frozenset[str]:
        """Return the members that are named."""
        return frozenset(self._selected | self._tested)

    @property
    def used(self) -> bool:
        """Tell whether the map is read at all."""
        return self.whole or bool(self._selected or self._tested)

    def of(self, mapping: Mapping[str, Any]) -> dict[str, Any]:
        """Return the map as the expression reads it. Raises Unfit."""
        if self.whole:
            return {fit(name, self._record): self._fit(name, value) for name, value in mapping.items()}
        row: dict[str, Any] = {name: None for name in self._tested if name in mapping}
        row |= {name: self._fit(name, mapping[name]) for name in self._selected if name in mapping}
        return row

    def _fit(self, name: str, value: Any) -> Any:
        return fit(value, f"{self._record}.{name}")

    def nulls(self) -> dict[str, None]:
        """Stand for the row of no profile: null where it is read, absent where has() asks."""
        return {} if self.whole else dict.fromkeys(self._selected - self._tested)
