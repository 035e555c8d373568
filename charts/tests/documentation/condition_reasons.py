"""Every condition with its reasons, as the operator's source has them.

A reason that is computed in a way not known here fails the reading, so that none is missed.
"""

import ast
import importlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from clickstream_operator.database.memory import GAPS
from clickstream_operator.lifecycle.rollouts.rollout import RolloutPhase
from clickstream_operator.operations.reconcile import SORTS
from clickstream_operator.source.findings import REASONS

PACKAGE = Path(__file__).parents[3] / "operator/clickstream_operator"
OPERATIONS = "clickstream_operator.operations"  # their conditions are those of other resources
TRUTHS = {"met": "True", "unmet": "False", "unknown": "Unknown", "_unknown": "Unknown"}
NOUNS = [sort.of.NOUN.capitalize() for sort in SORTS]
SUMMARIES = ("Ready", "Reconciling", "Stalled")
# Reasons that are found while it runs: of a gap, of a finding, or handed on from another condition.
COMPUTED = {"memory.gap.reason": GAPS, "refused[0].reason": REASONS}
HANDED_ON = {"first.reason", "old['reason']", "reason"}


class Given(NamedTuple):
    """One reason that a condition can have."""

    condition: str
    reason: str
    truth: str
    is_fatal: bool


@cache
def modules() -> list[tuple[str, ast.Module]]:
    """Return name and tree of each module of the operator."""
    files = {
        ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts): file
        for file in PACKAGE.rglob("*.py")
    }
    return [(name, ast.parse(file.read_text())) for name, file in sorted(files.items())]


def conditions(*, of_operations: bool = False) -> set[Given]:
    """Return every condition that the source makes of pipelines, or of replays and erasures.

    The summaries' handed-on reasons are not repeated.
    """
    found: set[Given] = set()
    for name, tree in modules():
        if name == "clickstream_operator.condition" or name.startswith(OPERATIONS) != of_operations:
            continue
        for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
            for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
                found |= set(_made(name, function, call))
    return found


def refusals() -> set[str]:
    """Return the reasons with which a pipeline is refused."""
    found: set[str] = set()
    for _, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _called(node) in ("_refuse", "refused_status"):
                found |= set(_constants(node.args[1:2]))
            if isinstance(node, ast.FunctionDef) and node.name == "_refusal":
                answers = [each.value for each in ast.walk(node) if isinstance(each, ast.Return)]
                found |= {
                    text for pair in answers if isinstance(pair, ast.Tuple) for text in _constants(pair.elts)
                }
    return found


def events() -> set[str]:
    """Return the reasons of the Events that report an action; the others are those of conditions."""
    found: set[str] = set()
    for _, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _called(node) == "_record":
                reason = ast.unparse(node.args[2])
                if reason.startswith("f'{noun}"):  # of each sort of operations
                    found |= {ast.literal_eval(reason[1:]).replace("{noun}", noun) for noun in NOUNS}
                    continue
                found |= set(_constants(node.args[2:3]))
                computed = reason in ("reason", "transition.reason")  # of findings, of conditions
                assert computed or _constants(node.args[2:3]), f"an Event's reason is {reason}"
    return found


def _made(module: str, function: ast.FunctionDef, call: ast.Call) -> Iterator[Given]:
    """Yield what a call makes of a condition, if it makes one."""
    called, arguments = _called(call), call.args
    if called == "_unknown" and len(arguments) == 2:
        kinds, reason, truth = ["SourceReady"], arguments[0], "Unknown"
    elif called in TRUTHS and len(arguments) == 3:
        kinds, reason, truth = _texts(module, function, arguments[0]), arguments[1], TRUTHS[called]
    elif called == "Condition" and function.name not in ("_unknown", "_known_before"):
        kinds, reason = _texts(module, function, arguments[0]), arguments[2]
        truth = ast.unparse(arguments[1]).removeprefix("Truth.").capitalize()
    else:
        return
    if ast.unparse(reason) in HANDED_ON:
        assert set(kinds) <= set(SUMMARIES), f"{module}: {ast.unparse(call)}"
        return
    fatal = any(k.arg == "is_fatal" for k in call.keywords)
    for kind in kinds:
        for text in _texts(module, function, reason):
            yield Given(kind, text, truth, fatal)


def _texts(module: str, function: ast.FunctionDef, node: ast.expr) -> list[str]:
    """Return the texts that an expression can be."""
    source = ast.unparse(node)
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if source in COMPUTED:
        return list(COMPUTED[source])
    if source == "step.phase":
        return _phases(function, node)
    if isinstance(node, ast.Name):
        if value := _assigned(function, node.id):
            return [value]
        if node.id in [argument.arg for argument in function.args.args]:
            return _handed_to(function, node.id)
    return [str(eval(source, vars(importlib.import_module(module))))]  # noqa: S307  # a name or Enum.MEMBER


def _assigned(function: ast.FunctionDef, name: str) -> str:
    """Return the text that a function gives to a name; empty if it gives none."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            left, right = node.targets[0], node.value
            lefts = left.elts if isinstance(left, ast.Tuple) else [left]
            rights = right.elts if isinstance(right, ast.Tuple) else [right]
            for target, value in zip(lefts, rights, strict=False):
                if ast.unparse(target) == name and isinstance(value, ast.Constant):
                    return str(value.value)
    return ""


def _handed_to(function: ast.FunctionDef, name: str) -> list[str]:
    """Return the texts with which a function is called for its parameter."""
    place = [argument.arg for argument in function.args.args].index(name)
    found: list[str] = []
    for module, tree in modules():
        for caller in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
            for call in (node for node in ast.walk(caller) if isinstance(node, ast.Call)):
                if _called(call) == function.name:
                    found += _texts(module, caller, call.args[place])
    assert found, f"nobody calls {function.name}"
    return found


def _phases(function: ast.FunctionDef, node: ast.expr) -> list[str]:
    """Return the phases under whose test an expression stands; where there is none, those of no test."""
    tests = {branch: ast.unparse(branch.test) for branch in ast.walk(function) if isinstance(branch, ast.If)}
    for branch, test in tests.items():
        if any(each is node for part in branch.body for each in ast.walk(part)):
            return [phase.value for phase in RolloutPhase if test.endswith(f"Phase.{phase.name}")]
    said = {test.rpartition("Phase.")[2] for test in tests.values()}
    return [phase.value for phase in RolloutPhase if phase.name not in said]


def _constants(nodes: list[ast.expr]) -> list[str]:
    return [str(node.value) for node in nodes if isinstance(node, ast.Constant)]


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else str(getattr(call.func, "id", ""))
