"""The syntax tree that the CEL library hands out, as plain Python values.

``Expression.serialize()`` of cel-expr-python is a protobuf message (cel.expr.CheckedExpr, or
ParsedExpr without the type check, in a google.protobuf.Any). Reading it needs a dozen field
numbers of https://github.com/google/cel-spec/tree/master/proto/cel/expr, which are part of
CEL's wire contract; a protobuf run time and generated classes would be a dependency more for
that. Read once per expression, at start. A node kind that is not known here becomes ``Other``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field as attribute
from typing import TypeAlias

Node: TypeAlias = "Const | Ident | Select | Call | ListOf | Comprehension | Other"


@dataclass(frozen=True, slots=True)
class Const:
    """A literal. ``kind`` is null, bool, int, uint, double, string or bytes."""

    id: int
    kind: str
    value: bool | int | float | str | bytes | None


@dataclass(frozen=True, slots=True)
class Ident:
    """A variable; after the type check a declared ``click.action`` is one name with a dot."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Select:
    """``operand.field``, or ``has(operand.field)`` when ``test`` is set."""

    id: int
    operand: Node
    field: str
    test: bool
    raw: bytes = attribute(repr=False)


@dataclass(frozen=True, slots=True)
class Call:
    """A function, operator (``_==_``, ``_&&_``, ``@in`` ...) or method (``target`` is set)."""

    id: int
    function: str
    target: Node | None
    args: tuple[Node, ...]
    raw: bytes = attribute(repr=False)


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list literal."""

    id: int
    elements: tuple[Node, ...]
    raw: bytes = attribute(repr=False)


@dataclass(frozen=True, slots=True)
class Comprehension:
    """What the macros all, exists, exists_one, map and filter expand to."""

    id: int
    variable: str
    accumulator: str  # of the value that the loop builds up; only the expansion names it
    over: Node
    body: tuple[Node, ...]  # start value, condition, step, result
    raw: bytes = attribute(repr=False)


@dataclass(frozen=True, slots=True)
class Other:
    """A map or message literal, or a kind that is not known here; ``parts`` are its sub-expressions."""

    id: int
    parts: tuple[Node, ...]
    keys: tuple[Node, ...]  # of a map literal
    raw: bytes = attribute(repr=False)


@dataclass(frozen=True, slots=True)
class Tree:
    """A syntax tree with the types and source offsets (code points) of its nodes, by node id."""

    root: Node
    types: dict[int, str]  # only simple types; what is missing is dyn, a list, a map ...
    offsets: dict[int, int]
    fields: _Fields = attribute(repr=False)  # of the message that was read

    def alone(self, node: Select | Call | ListOf | Comprehension | Other) -> bytes:
        """Return one part of a checked tree as bytes that the library reads as an expression."""
        whole = self.fields | {_EXPR: [node.raw]}
        message = b"".join(_delimited(number, value) for number, values in whole.items() for value in values)
        return _delimited(1, _CHECKED) + _delimited(2, message)


_CHECKED = b"type.googleapis.com/cel.expr.CheckedExpr"
_EXPR = 4  # CheckedExpr.expr


def read_tree(serialized: bytes) -> Tree:
    """Return the tree in ``Expression.serialize()``'s bytes, checked or only parsed."""
    any_message = _fields(serialized)
    checked = any_message[1][0].endswith(b"CheckedExpr")
    message = _fields(any_message[2][0])
    root, source = (_EXPR, 5) if checked else (2, 3)
    types = {}
    for entry in message.get(3, ()) if checked else ():
        pair = _fields(entry)
        name = _type_name(_fields(pair.get(2, [b""])[0]))
        if name:
            types[_int(pair, 1)] = name
    offsets = {}
    for info in message.get(source, ()):
        for entry in _fields(info).get(4, ()):
            pair = _fields(entry)
            offsets[_int(pair, 1)] = _int(pair, 2)
    return Tree(_node(message[root][0]), types, offsets, message)


def walk(node: Node) -> Iterator[Node]:
    """Yield the node and everything below it."""
    yield node
    for child in children(node):
        yield from walk(child)


def children(node: Node) -> tuple[Node, ...]:
    """Return the node's direct sub-expressions, in source order."""
    match node:
        case Select():
            return (node.operand,)
        case Call():
            return node.args if node.target is None else (node.target, *node.args)
        case ListOf():
            return node.elements
        case Comprehension():
            return (node.over, *node.body)
        case Other():
            return node.parts
        case _:
            return ()


_Fields: TypeAlias = dict[
    int, list[bytes]
]  # field number -> raw values; varints and fixed numbers as 8 bytes


def _fields(data: bytes) -> _Fields:
    """Split one protobuf message into its fields (https://protobuf.dev/programming-guides/encoding)."""
    fields: _Fields = {}
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        wire = tag & 7
        if wire == 0:
            number, at = _varint(data, at)
            value = number.to_bytes(8, "little")
        else:
            size, at = (8, at) if wire == 1 else (4, at) if wire == 5 else _varint(data, at)
            value, at = data[at : at + size], at + size
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
        shift += 7


def _delimited(number: int, value: bytes) -> bytes:
    """Return a field of a message: its tag, its length, its bytes."""
    size, length = b"", len(value)
    while length > 0x7F:
        size += bytes([length & 0x7F | 0x80])
        length >>= 7
    return bytes([number << 3 | 2]) + size + bytes([length]) + value


def _int(fields: _Fields, number: int) -> int:
    return int.from_bytes(fields[number][0], "little", signed=True) if number in fields else 0


def _text(fields: _Fields, number: int) -> str:
    return fields[number][0].decode() if number in fields else ""


def _node(data: bytes) -> Node:
    """Read one cel.expr.Expr."""
    fields = _fields(data)
    node_id = _int(fields, 2)
    if 3 in fields:
        return _const(node_id, _fields(fields[3][0]))
    if 4 in fields:
        return Ident(node_id, _text(_fields(fields[4][0]), 1))
    if 5 in fields:
        select = _fields(fields[5][0])
        return Select(node_id, _node(select[1][0]), _text(select, 2), bool(_int(select, 3)), data)
    if 6 in fields:
        call = _fields(fields[6][0])
        target = _node(call[1][0]) if 1 in call else None
        return Call(node_id, _text(call, 2), target, tuple(map(_node, call.get(3, ()))), data)
    if 7 in fields:
        return ListOf(node_id, tuple(map(_node, _fields(fields[7][0]).get(1, ()))), data)
    if 8 in fields:
        entries = [_fields(entry) for entry in _fields(fields[8][0]).get(2, ())]
        parts = tuple(_node(entry[key][0]) for entry in entries for key in (3, 4) if key in entry)
        keys = tuple(_node(entry[3][0]) for entry in entries if 3 in entry)
        return Other(node_id, parts, keys, data)
    if 9 in fields:
        loop = _fields(fields[9][0])
        body = tuple(_node(loop[key][0]) for key in (4, 5, 6, 7))
        return Comprehension(node_id, _text(loop, 1), _text(loop, 3), _node(loop[2][0]), body, data)
    return Other(node_id, (), (), data)


def _const(node_id: int, fields: _Fields) -> Const:
    """Read one cel.expr.Constant."""
    if 2 in fields:
        return Const(node_id, "bool", bool(_int(fields, 2)))
    if 3 in fields:
        return Const(node_id, "int", _int(fields, 3))
    if 4 in fields:
        return Const(node_id, "uint", int.from_bytes(fields[4][0], "little"))
    if 5 in fields:
        return Const(node_id, "double", struct.unpack("<d", fields[5][0])[0])
    if 6 in fields:
        return Const(node_id, "string", _text(fields, 6))
    if 7 in fields:
        return Const(node_id, "bytes", fields[7][0])
    return Const(node_id, "null", None)


_PRIMITIVES = {1: "bool", 2: "int", 3: "uint", 4: "double", 5: "string", 6: "bytes"}


def _type_name(fields: _Fields) -> str:
    """Return a cel.expr.Type's name, ``string?`` for a nullable string, or "" for what is not simple."""
    if 2 in fields:
        return "null"
    if 3 in fields:
        return _PRIMITIVES.get(_int(fields, 3), "")
    if 4 in fields:
        return f"{_PRIMITIVES.get(_int(fields, 4), '')}?"
    return ""
