"""Rules across fields of `spec.processing.metrics`, and between metrics. The CRD has the same in CEL."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

from clickstream_expressions.errors import InvalidExpression
from clickstream_expressions.expression import Expression

from clickstream_operator.errors import Problem
from clickstream_operator.spec.fields import duration_ms
from clickstream_operator.spec.raw import Raw

AGGREGATES = ("count", "sum", "min", "max", "avg", "distinct")
# A window is read by merging its panes: a day that moves on by the minute.
MAX_PANES_OF_A_WINDOW = 1_440
# A pane stays for as long as a window is readable that has it.
MAX_PANES_KEPT = 20_000
TOO_MANY_PANES_KEPT = (
    f"must keep at most {MAX_PANES_KEPT} panes: (size + grace + retention) / advance, "
    "where advance is the size unless given"
)
_PATH = "spec.processing.metrics"
_SIZE = re.compile(r"[1-9]\d{0,8}(s|m|h)")
_DURATION = re.compile(r"\d{1,9}(ms|s|m|h)")


def broken_metric_rules(
    metrics: Sequence[Any],
    defaults: Mapping[str, Any],
    topics: Mapping[str, str | None],
    *,
    has_sessions: bool,
) -> Iterator[Problem]:
    """Yield the problems of the list as it was given. `topics`: field of the spec to topic of that field."""
    raws = [Raw(metric if isinstance(metric, dict) else {}, defaults) for metric in metrics]
    yield from _names(raws)
    for place, (metric, raw) in enumerate(zip(metrics, raws, strict=True)):
        if isinstance(metric, dict):
            path = f"{_PATH}[{place}]"
            yield from _aggregate(path, metric)
            yield from _subject(path, raw, has_sessions=has_sessions)
            yield from _panes(f"{path}.window", raw)
    yield from _topics(raws, topics)


def metric_topics(metrics: Sequence[Any]) -> dict[str, str]:
    """Return field of the spec to topic, of those metrics that have one."""
    found = {f"{_PATH}[{place}].topic": _text(metric, "topic") for place, metric in enumerate(metrics)}
    return {field: topic for field, topic in found.items() if topic}


def _text(metric: Any, name: str) -> str | None:
    value = metric.get(name) if isinstance(metric, dict) else None
    return value if isinstance(value, str) else None


def _names(raws: Sequence[Raw]) -> Iterator[Problem]:
    names = [raw.get("name", str) for raw in raws]
    for place, name in enumerate(names):
        if name is not None and name in names[:place]:
            first = names.index(name)
            yield Problem(f"{_PATH}[{place}].name", f'"{name}"', f"must differ from that of metrics[{first}]")


def _aggregate(path: str, metric: Mapping[str, Any]) -> Iterator[Problem]:
    given = [kind for kind in AGGREGATES if metric.get(kind) is not None]
    if len(given) != 1:
        here = f"it has {' and '.join(given)}" if given else "it has none; count: {} counts clicks"
        yield Problem(path, "", f"must have exactly one of {', '.join(AGGREGATES)}; {here}")


def _subject(path: str, raw: Raw, *, has_sessions: bool) -> Iterator[Problem]:
    """Yield what reads a session where clicks count, or a click where sessions do."""
    of = raw.get("of", str)
    if of == "sessions" and not has_sessions:
        needs = "needs spec.processing.sessions: without it there are none; sessions: {} has the defaults"
        yield Problem(f"{path}.of", '"sessions"', needs)
    fields = {name: raw.get(name, str) for name in ("where", "sum", "min", "max", "avg", "distinct")}
    keys = raw.get("by", dict) or {}
    fields |= {f"by.{name}": key for name, key in keys.items() if isinstance(key, str)}
    for name, source in fields.items():
        if source and source.strip():
            said = _strange(source, "session" if of == "sessions" else "click")
            if said:
                yield Problem(f"{path}.{name}", "", said)


@lru_cache(maxsize=1_000)
def _strange(source: str, subject: Literal["click", "session"]) -> str:
    """Return what is wrong with an expression for this subject that is sound for either; else empty."""
    try:
        Expression("", source, "either")
    except InvalidExpression:  # said of the field itself
        return ""
    try:
        Expression("", source, subject)
    except InvalidExpression as error:
        return error.verdict
    return ""


def _panes(path: str, raw: Raw) -> Iterator[Problem]:
    texts = {name: raw.get(f"window.{name}", str) for name in ("size", "advance", "grace", "retention")}
    size, advance, grace, retention = texts.values()
    if not (size and _SIZE.fullmatch(size)) or (advance and not _SIZE.fullmatch(advance)):
        return  # said of the field itself
    size_ms, step_ms = duration_ms(size), duration_ms(advance or size)
    if advance and size_ms % step_ms:
        whole = f"must divide the size ({size}) into whole panes: every window is made of panes of advance"
        yield Problem(f"{path}.advance", f'"{advance}"', whole)
        return
    if size_ms > MAX_PANES_OF_A_WINDOW * step_ms:
        most = (
            f"must be at least 1/{MAX_PANES_OF_A_WINDOW} of the size ({size}): a window is read pane by pane"
        )
        yield Problem(f"{path}.advance", f'"{advance}"', most)
    if not all(text and _DURATION.fullmatch(text) for text in (grace, retention)):
        return
    kept_s = (size_ms + duration_ms(grace or "") + duration_ms(retention or "")) // 1000
    if kept_s > MAX_PANES_KEPT * (step_ms // 1000):
        yield Problem(path, "", f"{TOO_MANY_PANES_KEPT}; here it is {kept_s}s / {step_ms // 1000}s")


def _topics(raws: Sequence[Raw], topics: Mapping[str, str | None]) -> Iterator[Problem]:
    fields = {f"processing.metrics[{place}].topic": raw.get("topic", str) for place, raw in enumerate(raws)}
    uses = Counter(name for name in (*fields.values(), *set(topics.values())) if name)
    everything = {**topics, **fields}
    for field, name in fields.items():
        if name and uses[name] > 1:
            others = ", ".join(other for other in everything if everything[other] == name and other != field)
            yield Problem(f"spec.{field}", f'"{name}"', f"must differ from {others}")
