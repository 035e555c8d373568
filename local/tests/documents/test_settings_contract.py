"""The operator's settings and the processor's reading of them are one contract: every field, both ways."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from clickstream_local.pipeline.reference import EXAMPLE
from clickstream_operator.assignment.options import options_from
from clickstream_operator.manifests.settings import settings_document
from clickstream_operator.manifests.topics import topic_specs
from clickstream_operator.spec.clickpipeline import parse
from clickstream_processor.control.assignment import StaticAssignment
from clickstream_processor.settings import settings, settings_file, units
from clickstream_processor.stages.listed import stages_of
from clickstream_processor.stages.programs import compile_programs, metrics_of, plan_of

EXAMPLES = [
    file for file in sorted(EXAMPLE.parent.glob("*.yaml")) if "kind: ClickPipeline" in file.read_text()
]
# One of each kind; the first has all else unlike its default.
METRICS: list[dict[str, Any]] = [
    {
        "name": "all-said",
        "of": "sessions",
        "where": "session.clicks > 1",
        "by": {"page": "session.exit_page", "plan": "profile.plan_tier"},
        "count": {},
        "window": {"size": "10m", "advance": "2m", "grace": "3m", "retention": "5h"},
        "topic": "page-views",
        "emit": "final",
        "keys": {"max": 77},
    },
    *({"name": kind, kind: "click.amount"} for kind in ("sum", "min", "max", "avg", "distinct")),
]
SESSIONS = {"gap": "9m", "grace": "2s", "topic": "my-sessions"}
OF_OTHER_SOURCES = "processing.join.atLeast"  # a table's connector says itself when all is there
TOKENS = {
    "type": "oauthbearer",
    "user": "me",
    "oauth": {
        "tokenEndpoint": "https://sso/token",
        "scope": "kafka",
        "extensions": {"logicalCluster": "lkc-1"},
        "caSecret": "sso-ca",
    },
}
UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def load(document: dict[str, Any], folder: Path) -> settings.Settings:
    file = folder / "settings.json"
    file.write_text(json.dumps(document))
    return settings_file.load({"CLICKSTREAM_SETTINGS": str(file), "CLICKSTREAM_ORDINAL": "0"})


def leaves(section: msgspec.Struct, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the path in the file and the value of every field that the processor read."""
    for field in msgspec.structs.fields(section):
        value = getattr(section, field.name)
        name = f"{path}.{field.encode_name}".lstrip(".")
        if name in ("pod", "ignored"):
            continue
        if isinstance(value, msgspec.Struct):
            yield from leaves(value, name)
        elif isinstance(value, list) and any(isinstance(item, msgspec.Struct) for item in value):
            for place, item in enumerate(value):
                yield from leaves(item, f"{name}.{place}")
        else:
            yield name, value


def at(document: Any, path: str) -> Any:
    for name in path.split("."):
        document = document[int(name) if isinstance(document, list) else name]
    return document


def same(read: Any, written: Any) -> bool:
    if isinstance(read, units.Milliseconds):
        unit = written.lstrip("0123456789")
        return int(read) == int(written.removesuffix(unit)) * UNITS_MS[unit]
    if isinstance(read, units.Bytes):
        return int(read) == {"1Gi": 1 << 30, "2Gi": 2 << 30}[written]
    return bool(read == written)


def plain() -> dict[str, Any]:
    """Return the reference pipeline with as little said as may be."""
    return with_metrics([])


def every_field_changed() -> dict[str, Any]:
    """Return the reference pipeline with all that a processor reads unlike its default."""
    document = yaml.safe_load(EXAMPLE.read_text())
    spec = document["spec"]
    spec["id"] = "other.id"
    spec["kafka"] |= {"tls": {"caSecret": "ca"}, "authentication": TOKENS}
    names = {
        name: f"my-{name.lower()}" for name in ("clicks", "profiles", "enriched", "metrics", "deadLetters")
    }
    spec["topics"] = {"partitions": 7, "partitioner": "any", "compression": "zstd", "retention": "9d"} | names
    spec["processing"] = {
        "filter": 'click.action == "buy"',
        "transform": {"set": {"x": "1"}, "drop": ["country"]},
        "join": {"type": "left", "waitForSnapshot": False, "unmatched": "drop"},
        "window": {"size": "10m", "advance": "5m", "grace": "2m", "retention": "3h", "emit": "final"},
        "metrics": METRICS,
        "sessions": SESSIONS,
        "dedup": {"key": "click.order_id", "for": "9h"},
        "late": "drop",
        "maxFuture": "2h",
        "commitInterval": "50ms",
    }
    spec["sink"]["search"] |= {
        "engine": "elasticsearch",
        "url": "https://other:9201",
        "index": "other",
        "retention": "5d",
        "apiKeySecret": "search-key",
        "tls": {"caSecret": "search-ca"},
    }
    resources = {"limits": {"memory": "2Gi"}}
    spec["processors"] = {"replicas": 5, "standbys": 2, "failoverAfter": "9s", "resources": resources}
    spec["query"] = {"port": 9000, "tokensSecret": "tokens"}
    return dict(document)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_processor_accepts_what_the_operator_writes(example: Path, tmp_path: Path) -> None:
    load(settings_document(parse(yaml.safe_load(example.read_text()))), tmp_path)


@pytest.mark.parametrize("changed", [False, True], ids=["defaults", "every field changed"])
def test_every_field_the_processor_reads_is_the_one_that_was_written(changed: bool, tmp_path: Path) -> None:
    raw = every_field_changed() if changed else yaml.safe_load(EXAMPLE.read_text())
    document = settings_document(parse(raw), "127.0.0.1", 9090, 1)
    wrong = [
        (path, value, at(document, path))
        for path, value in leaves(load(document, tmp_path))
        if path != OF_OTHER_SOURCES and not same(value, at(document, path))
    ]
    assert wrong == []


def test_every_field_the_processor_reads_differs_from_its_default_in_the_changed_document(
    tmp_path: Path,
) -> None:
    default = dict(leaves(load(settings_document(parse(plain())), tmp_path)))
    changed = dict(
        leaves(load(settings_document(parse(every_field_changed()), "h-{ordinal}", 1, 1), tmp_path))
    )
    same_as_before = {path for path in default.keys() & changed.keys() if default[path] == changed[path]}
    # An API key is instead of the credentials of a user.
    alone = {"sink.search.credentialsSecret"}
    assert same_as_before == {"name", "namespace", "kafka.bootstrapServers", OF_OTHER_SOURCES} | alone


@pytest.mark.parametrize(
    ("source", "join", "kind", "at_least", "waits"),
    [
        (None, {}, "none", 0, False),
        ({"topic": {}}, {"type": "left"}, "left", 0, False),
        ({"topic": {"atLeast": 7}}, {}, "inner", 7, True),
        ({"topic": {"atLeast": 7}}, {"waitForSnapshot": False}, "inner", 0, False),
        ({"connector": {"class": "a.B", "atLeast": 7}}, {}, "inner", 7, True),
    ],
    ids=["none", "a topic", "a topic with enough", "a topic that nobody waits for", "a connector"],
)
def test_the_processor_waits_for_the_profiles_of_other_sources_as_it_was_told(
    source: Any, join: Any, kind: str, at_least: int, waits: bool, tmp_path: Path
) -> None:
    raw = plain()
    raw["spec"]["source"], raw["spec"]["processing"] = source, {"join": join}
    read = load(settings_document(parse(raw)), tmp_path)
    found = read.processing.join
    assert read.settings_version == 5
    assert (found.type, found.wait_for_snapshot, found.at_least) == (kind, False, at_least)
    stage = stages_of(read, plan_of(read), compile_programs(read))["clicks"]
    assert stage.waits_for_snapshot is waits
    assert stage.table == (None if source is None else read.topics.profiles)


def test_what_a_connector_is_told_is_not_the_pods_business() -> None:
    raw = plain()
    raw["spec"]["source"] = {"connector": {"class": "a.B", "config": {"x": "y"}}}
    raw["spec"]["sink"] = None
    document = settings_document(parse(raw))
    assert (document["source"], document["sink"]) == ({}, {})
    assert "sinks" not in document


def test_nothing_the_operator_writes_is_unknown_to_the_processor(tmp_path: Path) -> None:
    assert load(settings_document(parse(every_field_changed())), tmp_path).ignored == ()


def test_what_is_for_the_operator_alone_is_still_written(tmp_path: Path) -> None:
    document = settings_document(parse(every_field_changed()))
    for path in settings_file.FOR_THE_OPERATOR:
        section, _, name = path.rpartition(".")
        assert name in (at(document, section) if section else document)


def test_every_field_of_a_metric_differs_from_its_default_in_the_changed_document(tmp_path: Path) -> None:
    read = load(settings_document(parse(every_field_changed())), tmp_path).processing.metrics
    first, sums = (dict(leaves(metric)) for metric in read[:2])
    assert {path for path in first if first[path] == sums[path]} == {"min", "max", "avg", "distinct"}
    kinds = ("sum", "min", "max", "avg", "distinct")
    assert [{kind: value for kind in kinds if (value := getattr(metric, kind))} for metric in read] == [
        {},
        *({kind: "click.amount"} for kind in kinds),
    ]


def test_the_processor_makes_of_a_metric_what_was_asked_for(tmp_path: Path) -> None:
    made = metrics_of(load(settings_document(parse(every_field_changed())), tmp_path))
    assert [(metric.name, metric.kind, metric.value) for metric in made] == [
        ("all-said", "count", ""),
        *((kind, kind, "click.amount") for kind in ("sum", "min", "max", "avg", "distinct")),
    ]
    assert (made[0].panes.number, made[0].max_keys, made[0].topic) == (5, 77, "page-views")


@pytest.mark.parametrize("metrics", [[], METRICS], ids=["without metrics", "with metrics"])
def test_topics_of_metrics_are_named_alike(metrics: list[dict[str, Any]], tmp_path: Path) -> None:
    pipeline = parse(with_metrics(metrics))
    read = load(settings_document(pipeline), tmp_path)
    both = {read.partials_topic, read.metrics_changelog_topic}
    assert both & {topic.name for topic in topic_specs(pipeline)} == (both if metrics else set())


@pytest.mark.parametrize("metrics", [[], METRICS], ids=["without metrics", "with metrics"])
def test_the_controller_assigns_the_tasks_of_the_stages_that_the_pods_run(
    metrics: list[dict[str, Any]], tmp_path: Path
) -> None:
    document = settings_document(parse(with_metrics(metrics)))
    read = load(document, tmp_path)
    stages = stages_of(read, plan_of(read), compile_programs(read))
    tasks = StaticAssignment(1, read.topics.partitions, stages).poll().tasks
    assigned = options_from(document, lambda _, __: "").policy.tasks
    assert sorted(assigned) == sorted(str(task) for task in tasks)


def with_metrics(metrics: list[dict[str, Any]]) -> dict[str, Any]:
    document = yaml.safe_load(EXAMPLE.read_text())
    document["spec"]["processing"] |= {"metrics": metrics, "sessions": SESSIONS if metrics else None}
    return dict(document)
