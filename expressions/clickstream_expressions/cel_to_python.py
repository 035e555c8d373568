"""Common CEL expressions as Python functions: a twentieth of the library's cost per event.

The checked syntax tree becomes a Python syntax tree, node by node, never text. The function either
returns what CEL returns or raises: on any of ``DOUBT`` the caller asks the library, which has the
last word on errors (and on what CEL's ``&&`` and ``||`` absorb). So only the values need a proof,
and test_expression_agreement.py looks for counter-examples. What is not translated is evaluated by
the library alone: arithmetic (CEL checks overflow), regular expressions (RE2), loops, maps, ...
"""

import ast
import math
from collections.abc import Callable, Mapping
from typing import Any

from clickstream_expressions.cel_tree import Call, Const, Ident, ListOf, Node, Select, Tree
from clickstream_expressions.errors import OF_A_VALUE


class Undecided(Exception):
    """The Python function does not know what CEL makes of these values: ask the library. Not an error."""


DOUBT = (Undecided, *OF_A_VALUE)

# Beyond it an integer and a double may compare differently in CEL and in Python.
_EXACT = 2**53

_COMPARISONS: dict[str, type[ast.cmpop]] = {
    "_==_": ast.Eq, "_!=_": ast.NotEq, "_<_": ast.Lt, "_<=_": ast.LtE, "_>_": ast.Gt, "_>=_": ast.GtE,
}  # fmt: skip
_TEXT_METHODS = {"startsWith": "startswith", "endsWith": "endswith"}
_TEXT = {"string", "string?"}
_NUMBERS = {"int", "double"}

Function = Callable[[Any, Any, Mapping[str, Any] | None, Mapping[str, Any] | None], Any]

# One call a click: the doubt is handled in the function itself.
_TEMPLATE = """
def evaluate(click, profile, fields=None, columns=None):
    try:
        return None
    except doubt:
        return by_library(click, profile, fields, columns)
"""


def to_python(tree: Tree) -> ast.expr | None:
    """Return the tree as a Python expression, or None when only the library can evaluate it.

    It reads ``click``, ``profile``, ``fields``, ``columns`` and the names of ``RUNTIME``. Whoever evaluates
    it asks the library wherever it raises one of ``DOUBT``, as ``to_function`` does.
    """
    try:
        return _Translation(tree).value(tree.root)
    except _NotTranslated:
        return None


def to_function(body: ast.expr, by_library: Function) -> Function:
    """Return ``f(click, profile, fields, columns)`` of an expression that ``to_python`` made."""
    module = ast.parse(_TEMPLATE)
    returned = next(node for node in ast.walk(module) if isinstance(node, ast.Return))
    returned.value = body
    # Safe: the tree holds nothing but the node kinds made below; the expression's text is only in constants.
    names: dict[str, Any] = RUNTIME | {"doubt": DOUBT, "by_library": by_library}
    exec(compile(ast.fix_missing_locations(module), "<expression>", "exec"), names)  # noqa: S102
    function: Function = names["evaluate"]
    return function


class _NotTranslated(Exception):
    """The tree holds something that is left to the library."""


class _Translation:
    """One tree's translation; each method returns a Python expression or raises _NotTranslated."""

    def __init__(self, tree: Tree) -> None:
        self._types = tree.types

    def value(self, node: Node) -> ast.expr:
        """Return the expression for a scalar."""
        match node:
            case Const():
                return _constant(node)
            case Ident():
                return _declared(node.name)
            case Select(operand=Ident(name="click" | "profile" as record)):
                return _has(record, node.field) if node.test else _undeclared(record, node.field)
            case Call():
                return self._call(node)
            case _:
                raise _NotTranslated

    def _call(self, node: Call) -> ast.expr:
        match node.function, node.target, node.args:
            case ("_&&_" | "_||_") as function, None, _:
                operator = ast.And() if function == "_&&_" else ast.Or()
                return ast.BoolOp(operator, [self._truth(arg) for arg in node.args])
            case "!_", None, (operand,):
                return ast.UnaryOp(ast.Not(), self._truth(operand))
            case "_?_:_", None, (test, then, other):
                return ast.IfExp(self._truth(test), self.value(then), self.value(other))
            case "@in", None, (operand, ListOf() as choices):
                return self._in(operand, choices)
            case function, None, (left, right) if function in _COMPARISONS:
                return self._compare(function, left, right)
            case function, target, (text,) if function in _TEXT_METHODS and target is not None:
                method = ast.Attribute(self.value(target), _TEXT_METHODS[function], ast.Load())
                return ast.Call(method, [self.value(text)], [])
            case "contains", target, (text,) if target is not None:
                return ast.Compare(self.value(text), [ast.In()], [self.value(target)])
            case _:
                raise _NotTranslated

    def _truth(self, node: Node) -> ast.expr:
        """Return the expression for an operand that CEL wants to be a bool."""
        value = self.value(node)
        return value if self._type(node) == "bool" else _call("_bool", value)

    def _compare(self, function: str, left: Node, right: Node) -> ast.expr:
        types = {self._type(left), self._type(right)}
        values = self.value(left), self.value(right)
        equality = function in ("_==_", "_!=_")
        if types <= _TEXT or types <= _NUMBERS or (equality and types <= _TEXT | {"null"}):
            return ast.Compare(values[0], [_COMPARISONS[function]()], [values[1]])
        if equality and ({"string", "null"} & types or types == {"bool"}):
            # No dyn value that is plain equals a text in Python and not in CEL.
            return ast.Compare(values[0], [_COMPARISONS[function]()], [values[1]])
        if equality:
            same = _call("_same", *values)
            return same if function == "_==_" else ast.UnaryOp(ast.Not(), same)
        if types == {"dyn", "string"}:
            return ast.Compare(values[0], [_COMPARISONS[function]()], [values[1]])
        if "dyn" in types and types & _NUMBERS:
            numbers = [_call("_number", value) for value in values]
            return ast.Compare(numbers[0], [_COMPARISONS[function]()], [numbers[1]])
        raise _NotTranslated

    def _in(self, operand: Node, choices: ListOf) -> ast.expr:
        """Look the operand up in a set; a list of one kind of literal, or the kinds would mix in Python."""
        kinds = {element.kind if isinstance(element, Const) else "" for element in choices.elements}
        elements = [_constant(element).value for element in choices.elements if isinstance(element, Const)]
        if len(kinds) != 1 or not kinds <= {"string", "int"}:
            raise _NotTranslated
        value = self.value(operand)
        if kinds == {"int"} and self._type(operand) != "int":
            value = _call("_not_bool", value)
        return ast.Compare(value, [ast.In()], [_frozen(elements)])

    def _type(self, node: Node) -> str:
        return self._types.get(node.id, "dyn")


def _constant(node: Const) -> ast.Constant:
    value = node.value
    if node.kind in ("string", "bool", "null"):
        return ast.Constant(value)
    if node.kind == "int" and isinstance(value, int) and abs(value) < _EXACT:
        return ast.Constant(value)
    if node.kind == "double" and isinstance(value, float) and math.isfinite(value):
        return ast.Constant(value)
    raise _NotTranslated


def _frozen(elements: list[Any]) -> ast.Constant:
    constant = ast.Constant(None)
    constant.value = frozenset(elements)  # type: ignore[assignment]  # compile() takes it; typeshed does not know
    return constant


def _declared(name: str) -> ast.expr:
    """Read a declared field; a click that found no profile reads null from it.

    A session stands where a click does.
    """
    record, _, field = name.partition(".")
    if record not in ("click", "session", "profile") or not field:
        raise _NotTranslated
    if record != "profile":
        return _attribute("click", field)
    no_profile = ast.Compare(ast.Name(record, ast.Load()), [ast.Is()], [ast.Constant(None)])
    return ast.IfExp(no_profile, ast.Constant(None), _attribute(record, field))


def _attribute(record: str, name: str) -> ast.expr:
    return ast.Attribute(ast.Name(record, ast.Load()), name, ast.Load())


def _undeclared(record: str, field: str) -> ast.expr:
    return _call("_plain", ast.Subscript(_mapping(record), ast.Constant(field), ast.Load()))


def _has(record: str, field: str) -> ast.expr:
    return ast.Compare(ast.Constant(field), [ast.In()], [_mapping(record)])


def _mapping(record: str) -> ast.expr:
    return ast.Name("fields" if record == "click" else "columns", ast.Load())


def _call(name: str, *args: ast.expr) -> ast.expr:
    return ast.Call(ast.Name(name, ast.Load()), list(args), [])


def _plain(value: Any) -> Any:
    """Return a pass-through value that means the same in CEL and Python, or raise Undecided."""
    kind = value.__class__
    if kind is str or kind is bool or kind is float or value is None:
        return value
    if kind is int and -_EXACT < value < _EXACT:
        return value
    raise Undecided


def _bool(value: Any) -> bool:
    if value is True or value is False:
        return value
    raise Undecided


def _same(left: Any, right: Any) -> bool:
    """CEL's equality of plain values: 1 equals 1.0, but true does not equal 1."""
    return bool(left == right) and (left.__class__ is bool) is (right.__class__ is bool)


def _number(value: Any) -> Any:
    if value.__class__ is bool:
        raise Undecided
    return value


def _not_bool(value: Any) -> Any:
    return None if value.__class__ is bool else value


RUNTIME: dict[str, Any] = {"__builtins__": {}} | {
    function.__name__: function for function in (_plain, _bool, _same, _number, _not_bool)
}
