"""CEL expressions over a dead letter: which letters a replay sends again, and what it corrects in them.

``where`` sees ``letter``: ``reason``, ``detail``, ``key``, ``text`` (string; empty where there is none),
``attempt`` (int, from 1), ``time`` (int, ms) and ``click``, the JSON object of the text, null where the text
is none. ``set`` sees ``letter`` and ``click``, the same object. A click's fields are ``dyn`` here, as a
letter's fields may have any type. The library evaluates: letters are few.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from cel_expr_python import cel
from cel_expr_python.ext import ext_strings

from clickstream_expressions.cel_tree import (
    Call,
    Comprehension,
    Const,
    Ident,
    Node,
    Select,
    Tree,
    children,
    walk,
)
from clickstream_expressions.check import (
    MAX_FIELDS,
    Checked,
    check_in,
    require_condition,
    require_field_name,
    require_json_type,
)
from clickstream_expressions.constants import require_json_constant, require_sound_constants
from clickstream_expressions.diagnosis import invalid
from clickstream_expressions.errors import OF_A_VALUE, EvaluationFailed
from clickstream_expressions.reads import Members
from clickstream_expressions.values import Unfit, fit, require_json

LETTER_FIELDS = {
    "reason": cel.Type.STRING, "detail": cel.Type.STRING, "key": cel.Type.STRING, "text": cel.Type.STRING,
    "attempt": cel.Type.INT, "time": cel.Type.INT, "click": cel.Type.DYN,
}  # fmt: skip
_SHOWN = 300  # code points of what the library says: it may quote the letter
_HINT = f"`where` sees letter.{', letter.'.join(LETTER_FIELDS)}; `set` sees click too; text goes in quotes"


def _environment(*, of_set: bool) -> cel.Env:
    variables = {f"letter.{name}": kind for name, kind in LETTER_FIELDS.items()}
    if of_set:
        variables["click"] = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
    return cel.NewEnv(variables=variables, extensions=[ext_strings.ExtStrings()])


_WHERE = _environment(of_set=False)
_SET = _environment(of_set=True)


class LetterFields(Protocol):
    """A letter as expressions see it."""

    @property
    def reason(self) -> str:
        """Return why the click became a letter."""

    @property
    def detail(self) -> str:
        """Return the reason's detail."""

    @property
    def key(self) -> str:
        """Return the key as text."""

    @property
    def text(self) -> str:
        """Return the value as text."""

    @property
    def attempt(self) -> int:
        """Return how often it failed, from 1."""

    @property
    def time(self) -> int:
        """Return the record's time, ms."""

    @property
    def click(self) -> Mapping[str, Any] | None:
        """Return the value as a JSON object, None where it is none."""


class LetterExpression:
    """One checked expression; it never changes after that."""

    def __init__(self, name: str, source: str, *, of_set: bool) -> None:
        """Check ``source``, or raise InvalidExpression; ``name`` is its path in the replay."""
        self.name = name
        environment = _SET if of_set else _WHERE
        checked = _check(name, source, environment)
        self.tree, self.type = checked.tree, checked.type
        self._library = environment.compile(source)
        self._declared: set[str] = set()
        self._objects = {"click": Members("click"), "letter.click": Members("letter.click")}
        self._collect(self.tree.root)

    def evaluate(self, letter: LetterFields) -> Any:
        """Return the value, as JSON has it. Raises EvaluationFailed."""
        try:
            value = self._library.eval(data=self._activation(letter))
            failed = value.type() == cel.Type.ERROR
            plain = value.plain_value()
            if not failed:
                require_json(plain)
        except (*OF_A_VALUE, Unfit) as error:
            raise EvaluationFailed(f"{self.name}: {str(error)[:_SHOWN]}") from error
        if failed:
            raise EvaluationFailed(f"{self.name}: {str(plain)[:_SHOWN]}")
        return plain

    def _activation(self, letter: LetterFields) -> dict[str, Any]:
        """Return what the expression reads, and nothing else: no other field can fail it."""
        data: dict[str, Any] = {
            name: fit(getattr(letter, name.removeprefix("letter.")), name) for name in self._declared
        }
        for name, members in self._objects.items():
            if members.used:
                data[name] = None if letter.click is None else members.of(letter.click)
        return data

    def _collect(self, node: Node) -> None:
        objects = self._objects
        match node:
            case Select(operand=Ident(name=name), field=field, test=test) if name in objects:
                objects[name].add(field, test)
            case Call(function="_[_]", args=(Ident(name=name), Const(kind="string", value=str(field)))) if (
                name in objects
            ):
                objects[name].add(field, False)
            case Call(function="@in", args=(Const(kind="string", value=str(field)), Ident(name=name))) if (
                name in objects
            ):
                objects[name].add(field, True)
            case Ident(name=name) if name in objects:
                objects[name].whole = True
            case Ident(name=name) if name.startswith("letter."):
                self._declared.add(name)
            case _:
                for child in children(node):
                    self._collect(child)


def compile_where(text: str, name: str = "where") -> LetterExpression | None:
    """Return the condition, None for the empty text: every letter. Raises InvalidExpression."""
    if not text.strip():
        return None
    expression = LetterExpression(name, text, of_set=False)
    require_condition(name, text, expression.type)
    return expression


def compile_set(fields: Mapping[str, str], name: str = "set") -> dict[str, LetterExpression]:
    """Return each corrected field's expression. Raises InvalidExpression."""
    if len(fields) > MAX_FIELDS:
        raise invalid(name, "", f"{len(fields)} fields", 0, f"at most {MAX_FIELDS} fields")
    return {field: _compile_field(f"{name}.{field}", field, text) for field, text in fields.items()}


def check_where(text: str) -> None:
    """Raise InvalidExpression unless the text is a condition over ``letter``, or empty."""
    compile_where(text)


def check_set(fields: Mapping[str, str]) -> None:
    """Raise InvalidExpression unless each field has a name and an expression over click and letter."""
    compile_set(fields)


def _compile_field(name: str, field: str, text: str) -> LetterExpression:
    require_field_name(name, field, text)
    expression = LetterExpression(name, text, of_set=True)
    require_json_type(name, text, expression.type)
    require_json_constant(name, text, expression.tree)
    return expression


def _check(name: str, source: str, environment: cel.Env) -> Checked:
    checked = check_in(environment, name, source, _refuse_ambiguous, _HINT)
    require_sound_constants(name, source, checked.tree)
    return checked


def _refuse_ambiguous(name: str, source: str, tree: Tree) -> None:
    """Refuse what would not mean what it says: see check.py."""
    for node in walk(tree.root):
        match node:
            case Select(operand=Ident(name="letter"), test=True):
                text, hint = (
                    "has() of a letter's field",
                    'every letter has all; compare with "", and letter.click with null',
                )
            case Comprehension(variable="click" | "letter" as variable):
                text, hint = f"the loop variable {variable} hides the {variable}", "give it another name"
            case _:
                continue
        raise invalid(name, source, text, tree.offsets.get(node.id, 0), hint)
