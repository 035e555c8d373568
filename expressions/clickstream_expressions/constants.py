"""What stands fast before the first click: each part of an expression that reads no record is evaluated.

A part that fails would fail on each click, or hide behind an `||` until one reaches it: a regular
expression that does not compile, a time zone that does not exist, `timestamp("2024-13-45T00:00:00Z")`,
a division by zero. A constant argument beside a variable (`click.page_url.matches("(")`) is tried with
a sample in the variable's place.
"""

from collections.abc import Iterator
from typing import Any

from cel_expr_python import cel

from clickstream_expressions.cel_tree import (
    Call,
    Comprehension,
    Const,
    Ident,
    Node,
    Other,
    Tree,
    children,
    walk,
)
from clickstream_expressions.diagnosis import invalid, plain
from clickstream_expressions.environment import CHECK
from clickstream_expressions.errors import OF_A_VALUE
from clickstream_expressions.values import Unfit, require_json

_RECORDS = ("click", "profile", "session", "letter")
_OF_TIMESTAMP = (
    "getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear",
    "getHours", "getMinutes", "getSeconds", "getMilliseconds",
)  # fmt: skip
# Where one constant argument alone decides: the call with a sample in place of the other.
_SAMPLES = {name: f"timestamp(0).{name}({{}})" for name in _OF_TIMESTAMP} | {
    "matches": '"".matches({})',
    "_/_": "1 / {}",
    "_%_": "1 % {}",
    "substring": '"".substring({})',
    "charAt": '"".charAt({})',
}
_HINTS = {
    "matches": "RE2 syntax: no look-ahead (?!...), no look-behind, no back references; \\ is written \\\\",
    "timestamp": 'a timestamp is written like "2026-01-31T12:00:00Z"',
    "duration": 'a duration is written like "90s", "15m" or "1h30m"',
    "_/_": "ask first whether the divisor is 0",
    "_%_": "ask first whether the divisor is 0",
} | dict.fromkeys(_OF_TIMESTAMP, 'a time zone is written like "Europe/Berlin" or "-02:00"')


def require_sound_constants(name: str, source: str, tree: Tree) -> None:
    """Raise InvalidExpression at the first constant part that has no value."""
    bound = _bound(tree.root)
    for node in _bottom_up(tree.root):
        function = node.function if isinstance(node, Call) else ""
        said = ""
        if _is_constant(node, bound):
            _, said = _value_of(tree, node)
        elif function in _SAMPLES and _is_constant(argument := children(node)[-1], bound):
            said = _said_with_sample(function, tree, argument)
        elif isinstance(node, Other):
            said = _said_of_keys(node)
        if said:
            raise invalid(name, source, plain(said), tree.offsets.get(node.id, 0), _HINTS.get(function, ""))


def require_json_constant(name: str, source: str, tree: Tree) -> None:
    """Raise InvalidExpression for a constant that JSON cannot hold, whatever its type is called."""
    root = tree.root
    if not _is_constant(root, _bound(root)):
        return
    value, _ = _value_of(tree, root)
    try:
        require_json(value)
    except Unfit as error:
        raise invalid(name, source, str(error), 0, "string() and int() convert") from error


def _bottom_up(node: Node) -> Iterator[Node]:
    for child in children(node):
        yield from _bottom_up(child)
    yield node


def _bound(root: Node) -> frozenset[str]:
    """Return the names of all loops' variables."""
    loops = [node for node in walk(root) if isinstance(node, Comprehension)]
    return frozenset(name for loop in loops for name in (loop.variable, loop.accumulator))


def _is_constant(node: Node, bound: frozenset[str]) -> bool:
    """Tell whether a part reads neither a record nor the variable of a loop around it; types it may name."""
    return not any(name in bound or name.partition(".")[0] in _RECORDS for name in _free(node))


def _free(node: Node) -> set[str]:
    """Return the names that a part reads and does not bind itself."""
    match node:
        case Ident():
            return {node.name}
        case Comprehension():
            inside = set().union(*map(_free, node.body)) - {node.variable, node.accumulator}
            return _free(node.over) | inside
        case _:
            return set().union(*map(_free, children(node)))


def _said_with_sample(function: str, tree: Tree, argument: Node) -> str:
    value, _ = _value_of(tree, argument)
    if isinstance(value, str):
        literal = '"' + "".join(f"\\U{ord(character):08x}" for character in value) + '"'
    elif type(value) is int and value <= 0:  # a positive place or divisor fails by the variable only
        literal = str(value)
    else:
        return ""
    return _value(CHECK.compile(_SAMPLES[function].format(literal)))[1]


def _said_of_keys(literal: Other) -> str:
    keys = [(key.kind, key.value) for key in literal.keys if isinstance(key, Const)]
    twice = [value for kind, value in keys if keys.count((kind, value)) > 1]
    return f"duplicate key in map: {twice[0]!r}" if twice else ""


def _value_of(tree: Tree, constant: Node) -> tuple[Any, str]:
    match constant:
        case Const():
            return constant.value, ""
        case Ident():  # a type
            return None, ""
        case _:
            return _value(CHECK.deserialize(tree.alone(constant)))


def _value(expression: cel.Expression) -> tuple[Any, str]:
    """Return the value and "", or None and what the library says of its absence."""
    try:
        value = expression.eval(data={})
        found = value.plain_value()
    except OF_A_VALUE as error:
        return None, str(error)
    return (None, str(found)) if value.type() == cel.Type.ERROR else (found, "")
