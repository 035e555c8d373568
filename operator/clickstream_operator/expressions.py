"""CEL expressions of a pipeline, checked before anything runs.

The environment declares what an expression can see: the fields of a click and of a profile
that every record has, with their types, and both records as maps, so that any other column
is reachable and untyped. The processor evaluates in the same environment.
"""

import re
from enum import StrEnum

from cel_expr_python import cel
from cel_expr_python.ext import ext_strings

CLICK_FIELDS = {"user_id": "string", "page_url": "string", "action": "string", "timestamp": "int"}
PROFILE_COLUMNS = ("user_id", "name", "email", "country", "plan_tier")
MAX_CHARACTERS = 4096

_TYPES = {"string": cel.Type.STRING, "int": cel.Type.INT}
_JSON_TYPES = {"BOOL", "INT", "UINT", "DOUBLE", "STRING", "NULL", "LIST", "MAP", "DYN"}
_POSITION = re.compile(r"ERROR: <input>:(\d+):(\d+): ([^\n]*)")
_HAS = re.compile(
    rf"\bhas\(\s*(click\.(?:{'|'.join(CLICK_FIELDS)})|profile\.(?:{'|'.join(PROFILE_COLUMNS)}))\s*\)"
)


class Use(StrEnum):
    """What an expression is for: it decides which results are allowed."""

    CONDITION = "condition"
    VALUE = "value"


def environment() -> cel.Env:
    """Return the typed environment over `click` and `profile`.

    A profile's columns are nullable: a click without a profile (`join.type: left`) reads null from each.
    """
    record = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
    variables = {"click": record, "profile": record}
    variables |= {f"click.{name}": _TYPES[kind] for name, kind in CLICK_FIELDS.items()}
    variables |= {f"profile.{name}": cel.Type("google.protobuf.StringValue") for name in PROFILE_COLUMNS}
    return cel.NewEnv(variables=variables, extensions=[ext_strings.ExtStrings()])


_ENVIRONMENT = environment()


def problem_with(expression: str, use: Use) -> str | None:
    """Return what is wrong with the expression, with position and hint, or None when it is sound."""
    if len(expression) > MAX_CHARACTERS:
        return f"must be at most {MAX_CHARACTERS} characters"
    if found := _HAS.search(expression):
        return f"must not ask has({found[1]}), the field is always there: compare it, for a profile with null"
    try:
        compiled = _ENVIRONMENT.compile(expression)
    except RuntimeError as error:  # the library's only error class
        return _explained(str(error))
    result = str(compiled.return_type().name())
    if use is Use.CONDITION and result != "BOOL":
        return f"must be a CEL expression that is true or false, this one gives {result.lower()}"
    if use is Use.VALUE and result.partition("<")[0].removesuffix("_WRAPPER").upper() not in _JSON_TYPES:
        return (
            f"must be a CEL expression with a JSON value, not {result.lower()}: wrap it in string() or int()"
        )
    return None


def _explained(error: str) -> str:
    found = _POSITION.search(error)
    if found is None:
        return f"must be a CEL expression: {error.splitlines()[0]}"
    line, column, message = found.groups()
    message = (
        message.split(" expecting ")[0].replace(" [INVALID_ARGUMENT]", "").replace(" (in container '')", "")
    )
    return f"must be a CEL expression: line {line}, column {column}: {message}{_hint(message)}"


def _hint(message: str) -> str:
    if "undeclared reference" in message:
        return "; an expression sees click and profile, and text stands in quotes"
    if "no matching overload" in message:
        return "; both sides must be of one type: convert with int(), double() or string()"
    return ""
