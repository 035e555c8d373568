"""Rules across fields of `spec.source`, `spec.sinks` and `spec.connect`. The CRD has the same in CEL.

What an expression reads is the exception: the API server does not know it.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from clickstream_expressions.errors import InvalidExpression
from clickstream_expressions.expression import Expression

from clickstream_operator.errors import Problem
from clickstream_operator.spec.chosen import is_owned, is_secret
from clickstream_operator.spec.raw import Raw

SOURCES = ("postgres", "connector", "topic")
PLAIN_TOPICS = ("enriched", "metrics")
_TOPICS = "sessions are there with processing.sessions, and a metric by its name if it has a topic"


def broken_chosen_rules(document: Raw) -> Iterator[Problem]:
    """Yield the problems of source, sinks and Connect as they were given."""
    yield from _source(document)
    yield from _sinks(document)
    yield from _connect(document)


def _source(document: Raw) -> Iterator[Problem]:
    source = document.get("source", dict)
    if source is None:
        yield from _reads_of_nothing(document)
        return
    given = [kind for kind in SOURCES if kind in source]
    if len(given) != 1:
        here = f"it has {' and '.join(given)}" if given else "leave source out where there are no profiles"
        yield Problem("spec.source", "", f"must have exactly one of {', '.join(SOURCES)}; {here}")
    if (connector := document.get("source.connector", dict)) is not None:
        yield from _options("spec.source.connector", connector)


def _reads_of_nothing(document: Raw) -> Iterator[Problem]:
    """Yield the expressions that read a profile where there is none."""
    sources = {"filter": document.get("processing.filter", str)}
    settings = document.get("processing.transform.set", dict) or {}
    sources |= {f"transform.set.{name}": source for name, source in settings.items()}
    for place, metric in enumerate(document.get("processing.metrics", list) or []):
        if isinstance(metric, dict):
            own = {name: metric.get(name) for name in ("where", "sum", "min", "max", "avg", "distinct")}
            keys = metric.get("by")
            own |= {f"by.{name}": key for name, key in (keys if isinstance(keys, dict) else {}).items()}
            sources |= {f"metrics[{place}].{name}": source for name, source in own.items()}
    for path, source in sources.items():
        if isinstance(source, str) and source.strip() and _reads_profile(source):
            said = "reads profile, and there is none: spec.source says where profiles come from"
            yield Problem(f"spec.processing.{path}", "", said)


@lru_cache(maxsize=1_000)
def _reads_profile(source: str) -> bool:
    try:
        columns = Expression("", source, "either").profile_columns
    except InvalidExpression:  # said of the field itself
        return False
    return columns is None or bool(columns)


def _sinks(document: Raw) -> Iterator[Problem]:
    sinks = document.get("sinks", list) or []
    topics = sink_topics(document)
    names: list[Any] = []
    for place, sink in enumerate(sinks):
        if not isinstance(sink, dict):
            continue
        path, name, topic = f"spec.sinks[{place}]", sink.get("name"), sink.get("topic")
        if isinstance(name, str) and name in names:
            said = f"must differ from that of sinks[{names.index(name)}]"
            yield Problem(f"{path}.name", f'"{name}"', said)
        names.append(name)
        if isinstance(topic, str) and topic not in topics:
            said = f"must be one of {', '.join(topics)}: {_TOPICS}"
            yield Problem(f"{path}.topic", f'"{topic}"', said)
        if isinstance(sink.get("connector"), dict):
            yield from _options(f"{path}.connector", sink["connector"])


def sink_topics(document: Raw) -> list[str]:
    """Return what `topic` of a sink may say."""
    found = list(PLAIN_TOPICS)
    if document.get("processing.sessions", dict) is not None:
        found.append("sessions")
    metrics = [m for m in document.get("processing.metrics", list) or [] if isinstance(m, dict)]
    return [*found, *(str(m.get("name")) for m in metrics if m.get("topic"))]


def _options(path: str, connector: Mapping[str, Any]) -> Iterator[Problem]:
    config, secrets = (connector.get(name) for name in ("config", "secrets"))
    options = config if isinstance(config, dict) else {}
    hidden = secrets if isinstance(secrets, dict) else {}
    for name, value in options.items():
        if is_owned(name):
            yield Problem(f"{path}.config.{name}", "", "must not be set: the operator sets it")
        elif isinstance(value, str) and is_secret(name, value):
            said = f"must not stand here: name a Secret's key in {path.removeprefix('spec.')}.secrets"
            yield Problem(f"{path}.config.{name}", "", said)
    for name in hidden:
        if is_owned(name):
            yield Problem(f"{path}.secrets.{name}", "", "must not be set: the operator sets it")
        if name in options:
            yield Problem(f"{path}.secrets.{name}", "", "must not be in config, too")


def _connect(document: Raw) -> Iterator[Problem]:
    source = document.get("source", dict) or {}
    users = [f"source.{kind}" for kind in ("postgres", "connector") if kind in source]
    users += [field for field, kind in (("sink", dict), ("sinks", list)) if document.get(field, kind)]
    if users and document.get("connect", dict) is None:
        yield Problem("spec.connect", "", f"is required: {' and '.join(users)} run in a Kafka Connect")
