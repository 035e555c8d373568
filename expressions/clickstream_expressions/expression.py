"""CEL expressions over a click and its profile: checked once, at start, then evaluated per click.

``click.user_id``, ``click.page_url``, ``click.action`` (string) and ``click.timestamp`` (int, ms) are
declared, so a wrong type is an error before the first click. Other fields of the click are ``dyn``.
``profile.user_id``, ``.name``, ``.email``, ``.country``, ``.plan_tier`` are nullable strings; other
columns are ``dyn``. A click without a profile (``join.type: left``) reads null from every column, as
in SQL's LEFT JOIN. docs/semantics.md has examples, ADR 0020 the reasons.

The library's checker speaks first; a common expression then runs as a Python function
(native.py), the rest, and whatever that function leaves open, runs in the library.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

from cel_expr_python import cel
from cel_expr_python.ext import ext_strings

from clickstream_expressions import native
from clickstream_expressions.checked import Comprehension, Ident, Select, Tree, read_tree, walk
from clickstream_expressions.cost import LIMIT, cost
from clickstream_expressions.diagnosis import diagnose, invalid
from clickstream_expressions.errors import EvaluationFailed
from clickstream_expressions.reads import Reads

CLICK_FIELDS = {"user_id": "string", "page_url": "string", "action": "string", "timestamp": "int"}
PROFILE_COLUMNS = ("user_id", "name", "email", "country", "plan_tier")
MAX_LENGTH = 4096  # code points; the CRD says the same

_TYPES = {"string": cel.Type.STRING, "int": cel.Type.INT}
_JSON_TYPES = {"BOOL", "INT", "UINT", "DOUBLE", "STRING", "NULL", "LIST", "MAP", "DYN"}


def _environment(column: cel.Type) -> cel.Env:
    """Return an environment; dotted names give the declared fields of a map their types."""
    record = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
    variables = {"click": record, "profile": record}
    variables |= {f"click.{name}": _TYPES[kind] for name, kind in CLICK_FIELDS.items()}
    variables |= {f"profile.{name}": column for name in PROFILE_COLUMNS}
    return cel.NewEnv(variables=variables, extensions=[ext_strings.ExtStrings()])


# Two: the first checks, the second runs, for the library takes a nullable string only as a protobuf message.
_CHECK = _environment(cel.Type("google.protobuf.StringValue"))
_RUN = _environment(cel.Type.DYN)


Evaluate = Callable[..., Any]
Row = Mapping[str, Any] | None
_SCALARS = (bool, int, str, type(None))


class Expression:
    """One checked expression; it never changes after that.

    ``evaluate(click, profile, fields=None, columns=None)`` is the per-click path: it returns a plain
    Python value or raises EvaluationFailed. ``profile`` may be None. ``fields``, the click's JSON
    object, is needed if ``reads_fields``; ``columns``, the profile's row, if ``reads_columns``.
    """

    def __init__(self, name: str, source: str) -> None:
        """Check ``source``, or raise InvalidExpression; ``name`` is its path in the settings."""
        self.name = name
        self.source = source
        tree, self.type = _check(name, source)
        reads = Reads(tree.root)
        self.reads_fields = reads.fields
        self.reads_columns = reads.columns
        self._activation = reads.activation
        self._library = _RUN.compile(source)
        function = native.to_function(tree, self.by_library)
        self.is_native = function is not None
        self.evaluate: Evaluate = function or self.by_library

    def by_library(self, click: Any, profile: Any, fields: Row = None, columns: Row = None) -> Any:
        """Evaluate in the library, whatever the expression: the reference for ``evaluate``."""
        record = self._activation(click, profile, fields, columns)
        if _holds_nul(record):  # its Python binding passes texts as C does, up to there
            raise EvaluationFailed(f"{self.name}: a text with U+0000, which CEL's library would cut off")
        try:
            value = self._library.eval(data=record)
            failed = value.type() == cel.Type.ERROR
            plain = value.plain_value()
        except (RuntimeError, ValueError, TypeError, OverflowError) as error:  # all that the binding raises
            raise EvaluationFailed(f"{self.name}: {error}") from error
        if failed:
            raise EvaluationFailed(f"{self.name}: {plain}")
        if plain.__class__ not in _SCALARS:
            _require_json(self.name, plain)
        return plain


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, Mapping):
        return any(map(_holds_nul, value)) or any(map(_holds_nul, value.values()))
    return isinstance(value, list) and any(map(_holds_nul, value))


def compile_filter(source: str, name: str = "processing.filter") -> Expression | None:
    """Return the filter, whose value is always a bool; None for the empty text: every click passes."""
    if not source.strip():
        return None
    expression = Expression(name, source)
    if expression.type != "BOOL":
        hint = "a filter must be true or false; compare the value, for example with == or !="
        raise invalid(name, source, f"the filter is of type {expression.type.lower()}, not bool", 0, hint)
    return expression


def compile_outputs(
    sources: Mapping[str, str], name: str = "processing.transform.set"
) -> dict[str, Expression]:
    """Return each output field's expression; its values are what JSON can hold."""
    return {field: _compile_output(f"{name}.{field}", source) for field, source in sources.items()}


def _compile_output(name: str, source: str) -> Expression:
    expression = Expression(name, source)
    kind = expression.type.partition("<")[0]
    if kind not in _JSON_TYPES:
        hint = "JSON has no such type; string() and int() convert"
        raise invalid(name, source, f"the field is of type {kind.lower()}", 0, hint)
    return expression


def _check(name: str, source: str) -> tuple[Tree, str]:
    """Return the checked tree and the type of its value, or raise InvalidExpression."""
    if len(source) > MAX_LENGTH:
        hint = f"at most {MAX_LENGTH} characters"
        raise invalid(name, source[:80], f"the expression has {len(source)} characters", 0, hint)
    try:
        parsed = read_tree(_CHECK.compile(source, disable_check=True).serialize())
        _refuse_ambiguous(name, source, parsed)
        checked = _CHECK.compile(source)
        tree = read_tree(checked.serialize())
        estimate = cost(tree.root)
    except RuntimeError as error:
        if isinstance(error, RecursionError):
            raise invalid(name, source, "the expression is nested too deeply", 0, "nest less") from error
        raise diagnose(name, source, str(error)) from error
    if estimate > LIMIT:
        hint = "avoid a loop (all, exists, map, filter) inside a loop over a field"
        raise invalid(name, source, f"the estimated cost {estimate} is over the limit {LIMIT}", 0, hint)
    return tree, checked.return_type().name()


def _refuse_ambiguous(name: str, source: str, tree: Tree) -> None:
    """Refuse what would not mean what it says.

    has(click.action): the library takes it for the field's value. A loop variable named click or
    profile: it would hide the record from the reader, and from reads.py.
    """
    for node in walk(tree.root):
        match node:
            case Select(operand=Ident(name="click"), field=field, test=True) if field in CLICK_FIELDS:
                text, hint = (
                    f"has() of the declared field {field}",
                    f"every click has {field}; leave has() out",
                )
            case Select(operand=Ident(name="profile"), field=field, test=True) if field in PROFILE_COLUMNS:
                text, hint = f"has() of the declared column {field}", f"write profile.{field} != null"
            case Comprehension(variable="click" | "profile" as variable):
                text, hint = f"the loop variable {variable} hides the {variable}", "give it another name"
            case _:
                continue
        raise invalid(name, source, text, tree.offsets.get(node.id, 0), hint)


def _require_json(name: str, value: Any) -> None:
    """Raise EvaluationFailed for a value that JSON cannot hold."""
    match value:
        case None | bool() | int() | str():
            return
        case float() if math.isfinite(value):
            return
        case list():
            for element in value:
                _require_json(name, element)
        case dict() if all(isinstance(key, str) for key in value):
            for element in value.values():
                _require_json(name, element)
        case _:
            raise EvaluationFailed(f"{name}: the value {value!r:.80} is not what JSON can hold")
