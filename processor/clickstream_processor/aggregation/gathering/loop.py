"""The loop that adds a batch of joined clicks to the working partials of all metrics, made for those metrics.

A call for each click and metric would cost more than the addition. So the loop is one Python function, made
of the template below and of the expressions' own Python (clickstream_expressions.cel_to_python), which is put
in as a syntax tree, never as text. Metrics with equal panes and grace share the look-up of the pane. Where
anything raises, nothing has been added for that metric yet: `again` has the last word, as the expressions'
library would say it.
"""

import ast
import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from clickstream_expressions.cel_to_python import RUNTIME
from clickstream_expressions.expression import Expression

from clickstream_processor.aggregation.metric import Metric
from clickstream_processor.aggregation.values.distinct import fresh
from clickstream_processor.aggregation.values.keys import distinct_key
from clickstream_processor.aggregation.values.numeric import MAX_DOUBLE, MAX_INTEGER, refuse

# A joined click: click, profile, the click's JSON object, the profile's row, the time up to which panes are
# closed.
Row = tuple[Any, Any, Mapping[str, Any] | None, Mapping[str, Any] | None, int]
Loop = Callable[[Iterable[Row], int], tuple[int, ...]]

# A value is checked before its key is looked up: one that is refused must not leave an empty partial behind.
_WHOLE = f"value.__class__ is int and {1 - MAX_INTEGER} <= value < {MAX_INTEGER}"
_DOUBLE = f"value.__class__ is float and {-MAX_DOUBLE!r} < value < {MAX_DOUBLE!r}"
_REFUSED = "else:\n    raise refuse(value)\n"
_ADDED = f"""\
value = VALUE
if {_WHOLE}:
    CELL.whole += value
elif {_DOUBLE}:
    CELL.doubles.append(value)
{_REFUSED}"""
_COMPARED = f"""\
value = VALUE
if {_WHOLE} or {_DOUBLE}:
    cell = CELL
    if value < cell.extreme:
        cell.extreme = value
{_REFUSED}"""
_TOLD_APART = """\
value = VALUE
if value.__class__ is not str:
    value = fresh(value)
CELL.fresh.add(value)
"""
_ADD = {
    "count": "CELL.count += 1\n",
    "sum": _ADDED,
    "avg": _ADDED.replace("CELL.", "cell = CELL\n    cell.") + "cell.count += 1\n",
    "min": _COMPARED,
    "max": _COMPARED.replace("value < cell", "value > cell"),
    "distinct": _TOLD_APART,
}

Group = Sequence[int]  # the numbers of the metrics that share panes


def make_loop(
    metrics: Sequence[Metric],
    groups: Sequence[Group],
    turns: Sequence[Callable[[int], tuple[Any, ...]]],
    agains: Sequence[Callable[..., None]],
) -> Loop:
    """Return the loop: it takes rows and the clock, and returns the number of late clicks for each metric.

    `turns[g](event_ms)` returns start, end and closing time of the pane of group `g` that holds a time, then
    the working partials (key -> cell) of each of its metrics. `agains[i](error, click, profile, fields,
    columns, is_open, cells)` evaluates metric `i` once more.
    """
    names: dict[str, Any] = RUNTIME | {
        "Exception": Exception, "str": str, "int": int, "float": float,
        "fresh": fresh, "refuse": refuse, "distinct_key": distinct_key,
    }  # fmt: skip
    group_of = {number: place for place, group in enumerate(groups) for number in group}
    holes: dict[str, ast.expr] = {}
    body = []
    for place, group in enumerate(groups):
        names[f"turn_{place}"] = turns[place]
        cells = "".join(f", cells_{number}" for number in group)
        body.append(f"if not from_{place} <= event_ms < to_{place}:")
        body.append(f"    from_{place}, to_{place}, shut_{place}{cells} = turn_{place}(event_ms)")
    for number, metric in enumerate(metrics):
        names[f"again_{number}"] = agains[number]
        body += _metric_lines(metric, number, group_of[number], holes, names)
    lates = "".join(f"late_{number}, " for number in range(len(metrics)))
    lines = ["def loop(rows, clock_ms):"]
    lines += [f"    from_{place} = to_{place} = shut_{place} = 0" for place in range(len(groups))]
    lines += [f"    late_{number} = 0" for number in range(len(metrics))]
    lines += [
        "    for click, profile, fields, columns, closed_ms in rows:",
        "        event_ms = click.timestamp",
    ]
    lines += [f"        {line}" for line in body]
    lines += [f"    return ({lates})"]
    module = _Filled(holes).visit(ast.parse("\n".join(lines)))
    # Safe: the text is made of this file's own lines; an expression's text is only in constants of its tree.
    exec(compile(ast.fix_missing_locations(module), "<metrics>", "exec"), names)  # noqa: S102
    loop: Loop = names["loop"]
    return loop


def _metric_lines(
    metric: Metric, number: int, group: int, holes: dict[str, ast.expr], names: dict[str, Any]
) -> list[str]:
    """Return the lines of one metric; fill `holes` and `names` with what they read."""

    def hole(name: str, expression: Expression) -> str:
        holes[f"{name}_{number}"] = _python(expression, f"library_{name}_{number}", names)
        return f"{name}_{number}"

    lines = []
    keys = []
    for place, key in enumerate(metric.keys):
        keys.append(f"key_{place}")
        lines.append(f"key_{place} = {hole(f'KEY{place}', key)}")
        if key.type == "DYN":  # in the others no value equals one of another type
            lines.append(f"if key_{place}.__class__ is not str:")
            lines.append(f"    key_{place} = distinct_key(key_{place})")
    found = keys[0] if len(keys) == 1 else f"({', '.join(keys)})"
    add = _ADD[metric.kind].replace("CELL", f"cells_{number}[{found}]")
    if metric.operand is not None:
        add = add.replace("VALUE", hole("VALUE", metric.operand))
    lines += add.splitlines()
    # Where results are final, a pane that the clock has closed stays closed.
    is_open = f"closed_ms < shut_{group}" + (
        f" and clock_ms < shut_{group}" if metric.emit == "final" else ""
    )
    lines = [f"if {is_open}:", *_indented(lines), "else:", f"    late_{number} += 1"]
    if metric.condition is not None:
        lines = [f"if {hole('WHERE', metric.condition)}:", *_indented(lines)]
    again = f"again_{number}(error, click, profile, fields, columns, {is_open}, cells_{number})"
    return ["try:", *_indented(lines), "except Exception as error:", f"    {again}"]


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def _python(expression: Expression, name: str, names: dict[str, Any]) -> ast.expr:
    """Return the expression's own Python, or a call of the library."""
    if expression.python is not None:
        return copy.deepcopy(expression.python)
    names[name] = expression.by_library
    arguments = [ast.Name(read, ast.Load()) for read in ("click", "profile", "fields", "columns")]
    return ast.Call(ast.Name(name, ast.Load()), list[ast.expr](arguments), [])


class _Filled(ast.NodeTransformer):
    """Puts expressions in place of the names that stand for them."""

    def __init__(self, holes: Mapping[str, ast.expr]) -> None:
        self._holes = holes

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._holes.get(node.id, node)
