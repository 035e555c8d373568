"""The check of an expression, before the first click: one set of rules, one verdict, for operator and pods.

`check` raises InvalidExpression, or returns the checked syntax tree and the type of its value.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from cel_expr_python import cel

from clickstream_expressions.cel_tree import Comprehension, Ident, Select, Tree, read_tree, walk
from clickstream_expressions.constants import require_sound_constants
from clickstream_expressions.cost import LIMIT, cost
from clickstream_expressions.diagnosis import diagnose, invalid
from clickstream_expressions.environment import CHECK, CLICK_FIELDS, PROFILE_COLUMNS, SESSION_FIELDS

# What an expression is evaluated for. "either": whoever asks does not know yet (the operator's fields).
Subject: TypeAlias = Literal["click", "session", "either"]

MAX_LENGTH = 4096  # code points; the CRD says the same
MAX_FIELDS = 50  # that expressions set
_FIELD_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,62}")
_JSON_TYPES = {"BOOL", "INT", "UINT", "DOUBLE", "STRING", "NULL", "LIST", "MAP", "DYN"}
_JSON_KEYS = {"STRING", "DYN"}


@dataclass(frozen=True, slots=True)
class Checked:
    """A sound expression: its syntax tree and the type of its value, as the library names it."""

    tree: Tree
    type: str


def check(name: str, source: str, subject: Subject = "click") -> Checked:
    """Return the checked expression, or raise InvalidExpression; ``name`` is its path in the settings."""
    checked = check_in(CHECK, name, source, _refuse_ambiguous)
    _require_subject(name, source, checked.tree, subject)
    require_sound_constants(name, source, checked.tree)
    return checked


def check_in(
    environment: cel.Env,
    name: str,
    source: str,
    refuse: Callable[[str, str, Tree], None],
    undeclared: str | None = None,
) -> Checked:
    """Return an expression that is well typed and affordable, or raise InvalidExpression.

    ``refuse`` raises it for a tree, as it was parsed, that would not mean what it says. ``undeclared``: the
    hint for a name that is not there.
    """
    _require_text(name, source)
    try:
        refuse(name, source, read_tree(environment.compile(source, disable_check=True).serialize()))
        checked = environment.compile(source)
        tree = read_tree(checked.serialize())
        _require_affordable(name, source, tree)
    except RuntimeError as error:
        if isinstance(error, RecursionError):
            raise invalid(name, source, "the expression is nested too deeply", 0, "nest less") from error
        raise diagnose(name, source, str(error), undeclared=undeclared) from error
    return Checked(tree, checked.return_type().name())


def require_condition(name: str, source: str, kind: str) -> None:
    """Raise InvalidExpression unless a value of this type is true or false."""
    if kind != "BOOL":
        hint = "a filter must be true or false; compare the value, for example with == or !="
        raise invalid(name, source, f"the filter is of type {kind.lower()}, not bool", 0, hint)


def require_kind(name: str, source: str, kind: str, what: str, allowed: tuple[str, ...]) -> None:
    """Raise InvalidExpression unless the type is among the allowed ones, or known per click only."""
    if kind != "DYN" and kind.lower() not in allowed:
        hint = f"it must be {', '.join(allowed[:-1])} or {allowed[-1]}; string() and int() convert"
        raise invalid(name, source, f"the {what} is of type {kind.lower()}", 0, hint)


def require_json_type(name: str, source: str, kind: str) -> None:
    """Raise InvalidExpression where the type alone tells that JSON cannot hold the value."""
    strange = [part for part in re.findall(r"\w+", kind) if part not in _JSON_TYPES]
    if strange:
        hint = "JSON has no such type; string() and int() convert"
        raise invalid(name, source, f"the field is of type {kind.lower()}", 0, hint)
    if any(key not in _JSON_KEYS for key in re.findall(r"MAP<(\w+)", kind)):
        hint = "the names in a JSON object are texts: put them in quotes, or use string()"
        raise invalid(name, source, f"the field is of type {kind.lower()}", 0, hint)


def require_field_name(name: str, field: str, source: str) -> None:
    """Raise InvalidExpression unless a field has a name that an expression could read."""
    if not _FIELD_NAME.fullmatch(field):
        hint = "letters, digits and _, no digit first, at most 63"
        raise invalid(name[:120], source[:80], f"{field!r:.80} is not a field's name", 0, hint)


def _require_text(name: str, source: str) -> None:
    """Raise InvalidExpression for a text that is too long, or is none."""
    if len(source) > MAX_LENGTH:
        hint = f"at most {MAX_LENGTH} characters"
        raise invalid(name, source[:80], f"the expression has {len(source)} characters", 0, hint)
    if lone := re.search("[\ud800-\udfff]", source):
        shown = source.encode(errors="replace").decode()
        text = f"U+{ord(lone[0]):04X} is half of a character"
        raise invalid(
            name, shown, text, lone.start(), "write the whole character, or \\U and its eight digits"
        )


def _require_affordable(name: str, source: str, tree: Tree) -> None:
    """Raise InvalidExpression where one evaluation may cost too much. Raises RecursionError."""
    estimate = cost(tree.root)
    if estimate > LIMIT:
        hint = "avoid a loop (all, exists, map, filter) inside a loop over a field"
        raise invalid(name, source, f"the estimated cost {estimate} is over the limit {LIMIT}", 0, hint)


def _require_subject(name: str, source: str, tree: Tree, subject: Subject) -> None:
    """Raise InvalidExpression where a click is read of a session, or a session of a click."""
    strange = {"click": "session", "session": "click", "either": ""}[subject]
    for node in walk(tree.root):
        if isinstance(node, Ident) and node.name.partition(".")[0] == strange:
            text = f"there is no {strange} here, only a {subject} and its profile"
            hint = (
                "metrics with `of: sessions` read sessions"
                if subject == "click"
                else f"a session has {', '.join(SESSION_FIELDS)}"
            )
            raise invalid(name, source, text, tree.offsets.get(node.id, 0), hint)


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
            case Select(operand=Ident(name="session"), field=field, test=True):
                text, hint = "has() of a session's field", "every session has all of them; leave has() out"
            case Comprehension(variable="click" | "profile" | "session" as variable):
                text, hint = f"the loop variable {variable} hides the {variable}", "give it another name"
            case _:
                continue
        raise invalid(name, source, text, tree.offsets.get(node.id, 0), hint)
