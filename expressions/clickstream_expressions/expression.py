"""CEL expressions over a click, or a session, and its profile: checked once, then evaluated per click.

``click.user_id``, ``click.page_url``, ``click.action`` (string) and ``click.timestamp`` (int, ms) are
declared, so a wrong type is an error before the first click. Other fields of the click are ``dyn``.
``profile.user_id``, ``.name``, ``.email``, ``.country``, ``.plan_tier`` are nullable strings; other
columns are ``dyn``. A click without a profile (``join.type: left``) reads null from every column, as
in SQL's LEFT JOIN. A metric of sessions reads ``session`` (environment.SESSION_FIELDS) in place of
``click``: the session then stands where the click does. docs/reference/semantics.md has examples,
ADR 0020 the reasons.

The library's checker speaks first; a common expression then runs as a Python function
(cel_to_python.py), the rest, and whatever that function leaves open, runs in the library.
"""

from collections.abc import Callable, Mapping
from typing import Any

from cel_expr_python import cel

from clickstream_expressions import cel_to_python
from clickstream_expressions.check import Subject, check, require_condition, require_json_type, require_kind
from clickstream_expressions.constants import require_json_constant
from clickstream_expressions.environment import RUN
from clickstream_expressions.errors import OF_A_VALUE, EvaluationFailed
from clickstream_expressions.reads import Reads
from clickstream_expressions.values import Unfit, require_json

Evaluate = Callable[..., Any]
Row = Mapping[str, Any] | None
_SCALARS = (bool, int, str, type(None))
_SHOWN = 300  # code points of what the library says: it may quote the click


class Expression:
    """One checked expression; it never changes after that.

    ``evaluate(click, profile, fields=None, columns=None)`` is the per-click path: it returns a plain
    Python value or raises EvaluationFailed. ``profile`` may be None. ``fields``, the click's JSON
    object, is needed if ``reads_fields``; ``columns``, the profile's row, if ``reads_columns``.
    """

    def __init__(self, name: str, source: str, subject: Subject = "click") -> None:
        """Check ``source``, or raise InvalidExpression; ``name`` is its path in the settings."""
        self.name = name
        self.source = source
        checked = check(name, source, subject)
        self.tree, self.type = checked.tree, checked.type
        reads = Reads(self.tree.root)
        self.reads_fields = reads.fields
        self.click_fields = reads.click_fields
        self.reads_columns = reads.columns
        self.profile_columns = reads.profile_columns  # None: all there are
        self._activation = reads.activation
        self._library = RUN.compile(source)
        self.python = cel_to_python.to_python(self.tree)  # for loops that evaluate it in place
        self.is_native = self.python is not None
        self.evaluate: Evaluate = (
            self.by_library
            if self.python is None
            else cel_to_python.to_function(self.python, self.by_library)
        )

    def by_library(self, click: Any, profile: Any, fields: Row = None, columns: Row = None) -> Any:
        """Evaluate in the library, whatever the expression: the reference for ``evaluate``."""
        try:
            record = self._activation(click, profile, fields, columns)
            value = self._library.eval(data=record)
            failed = value.type() == cel.Type.ERROR
            plain = value.plain_value()
            if plain.__class__ not in _SCALARS and not failed:
                require_json(plain)
        except (*OF_A_VALUE, Unfit) as error:
            raise EvaluationFailed(f"{self.name}: {_short(error)}") from error
        if failed:
            raise EvaluationFailed(f"{self.name}: {_short(plain)}")
        return plain


def _short(said: object) -> str:
    text = str(said)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def compile_filter(
    source: str, name: str = "processing.filter", subject: Subject = "click"
) -> Expression | None:
    """Return the filter, whose value is always a bool; None for the empty text: every click passes."""
    if not source.strip():
        return None
    expression = Expression(name, source, subject)
    require_condition(name, source, expression.type)
    return expression


def compile_outputs(
    sources: Mapping[str, str], name: str = "processing.transform.set"
) -> dict[str, Expression]:
    """Return each output field's expression; its values are what JSON can hold."""
    return {field: compile_output(f"{name}.{field}", source) for field, source in sources.items()}


def compile_output(name: str, source: str) -> Expression:
    """Return one output field's expression."""
    expression = Expression(name, source)
    require_json_type(name, source, expression.type)
    require_json_constant(name, source, expression.tree)
    return expression


def compile_key(name: str, source: str, subject: Subject = "click") -> Expression:
    """Return the expression of a key that metrics are grouped by: a text, an integer, a bool or null."""
    expression = Expression(name, source, subject)
    require_kind(name, source, expression.type, "key", ("string", "int", "uint", "bool"))
    return expression


def compile_number(name: str, source: str, subject: Subject = "click") -> Expression:
    """Return the expression of a number that a metric adds up or compares."""
    expression = Expression(name, source, subject)
    require_kind(name, source, expression.type, "value", ("int", "uint", "double"))
    return expression


def compile_scalar(name: str, source: str, subject: Subject = "click") -> Expression:
    """Return the expression of a value whose different ones a metric counts."""
    expression = Expression(name, source, subject)
    require_kind(name, source, expression.type, "value", ("string", "int", "uint", "double", "bool"))
    return expression
