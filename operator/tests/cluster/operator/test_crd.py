"""The CRD on a real API server: every rule both ways, and in agreement with the parser."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from clickstream_local.testing.eventually import eventually
from clickstream_operator.spec.clickpipeline import Spec, parse
from operator_support import REPOSITORY
from operator_support.cluster.controlplane import ControlPlane, Refused
from operator_support.cluster.world import CRD, PIPELINES, World, path_of
from operator_support.documents import INVALID, INVALID_FOR_THE_PARSER_ALONE, REMOVE, VALID, Changes, changed
from operator_support.metric_documents import metric, metrics
from operator_support.source_documents import sink

_numbers = itertools.count()
# What only CEL's types show is not the API server's to know.
TAKEN = VALID | {name: changes for name, (_, changes) in INVALID_FOR_THE_PARSER_ALONE.items()}
STRICT = "fieldValidation=Strict&dryRun=All"


@pytest.fixture(scope="module")
def shop(world: World) -> str:
    return world.namespace("shop")


def create(plane: ControlPlane, document: dict[str, Any], dry: bool = True) -> Any:
    path = f"{PIPELINES}/namespaces/shop/clickpipelines?{STRICT if dry else 'fieldValidation=Strict'}"
    return plane.request("POST", path, document)


@pytest.mark.parametrize("changes", TAKEN.values(), ids=TAKEN)
def test_api_server_takes_valid_documents(changes: Changes, plane: ControlPlane, shop: str) -> None:
    assert create(plane, changed(changes))["kind"] == "ClickPipeline"


@pytest.mark.parametrize(
    "example",
    [
        path
        for path in sorted((REPOSITORY / "examples").glob("*.yaml"))
        if "kind: ClickPipeline" in path.read_text()
    ],
    ids=lambda path: path.stem,
)
def test_api_server_takes_every_example(example: Path, plane: ControlPlane, shop: str) -> None:
    document = yaml.safe_load(example.read_text())
    document["metadata"]["namespace"] = "shop"
    path = f"{PIPELINES}/namespaces/shop/{document['kind'].lower()}s?{STRICT}"
    assert plane.request("POST", path, document)["kind"] == document["kind"]


@pytest.mark.parametrize(("path", "changes"), INVALID.values(), ids=INVALID)
def test_api_server_refuses_what_the_parser_refuses(
    path: str, changes: Changes, plane: ControlPlane, shop: str
) -> None:
    with pytest.raises(Refused) as refused:
        create(plane, changed(changes))
    assert refused.value.code in (400, 422)
    # The parser's path, or the section above it where a rule spans fields.
    parts = path.removeprefix("spec.").split("[")[0].split(".")
    assert any(part in refused.value.message for part in parts[-2:]), refused.value.message


@pytest.mark.parametrize("changes", VALID.values(), ids=VALID)
def test_both_fill_in_the_same_defaults(changes: Changes, plane: ControlPlane, shop: str) -> None:
    answered = parse(create(plane, changed(changes)))
    assert answered.spec == parse(changed(changes)).spec


@pytest.mark.parametrize("name", ["Storefront", "1shop", "a" * 41, "a.b"])
def test_names_that_objects_could_not_bear_are_refused(name: str, plane: ControlPlane, shop: str) -> None:
    document = changed({}) | {"metadata": {"name": name, "namespace": "shop"}}
    with pytest.raises(Refused):
        create(plane, document)


IMMUTABLE: dict[str, tuple[Changes, Changes]] = {
    "partitions grow": ({}, {"topics.partitions": 24}),
    "partitions shrink": ({}, {"topics.partitions": 6}),
    "the partitioner": ({}, {"topics.partitioner": "any"}),
    "the partitioner changes back": ({"topics.partitioner": "any"}, {"topics.partitioner": REMOVE}),
    "an id is given later": ({}, {"id": "another"}),
    "an id changes": ({"id": "one"}, {"id": "two"}),
    "an id is taken away": ({"id": "one"}, {"id": REMOVE}),
    "a topic changes": ({}, {"topics.clicks": "other-clicks"}),
    "the window grows": ({}, {"processing.window": {"size": "10m"}}),
    "the window shrinks to the default": (
        {"processing.window": {"size": "10m"}},
        {"processing.window.size": REMOVE},
    ),
    "the whole window is taken away": ({"processing.window": {"size": "10m"}}, {"processing": REMOVE}),
    "windows begin to hop": ({}, {"processing.window.advance": "1m"}),
    "windows cease to hop": (
        {"processing.window": {"size": "5m", "advance": "1m"}},
        {"processing.window.advance": REMOVE},
    ),
    "windows cease to hop by null": (
        {"processing.window": {"size": "5m", "advance": "1m"}},
        {"processing.window.advance": None},
    ),
    "windows hop otherwise": (
        {"processing.window": {"size": "5m", "advance": "1m"}},
        {"processing.window.advance": "30s"},
    ),
    "profiles of somebody else in place of a table": ({}, {"source": {"topic": {}}}),
    "a connector in place of a topic": (
        {"source": {"topic": {}}},
        {"source": {"connector": {"class": "org.example.Source"}}},
    ),
    "the source is taken away": ({}, {"source": REMOVE}),
    "a source is given later": ({"source": REMOVE}, {"source": {"topic": {}}}),
    "the table": ({}, {"source.postgres.table": "public.customers"}),
    "the database": ({}, {"source.postgres.database": "other"}),
    "the key": ({}, {"source.postgres.key": "customer"}),
    "a slot is given later": ({}, {"source.postgres.slot": "another"}),
    "the slot changes": ({"source.postgres.slot": "one"}, {"source.postgres.slot": "two"}),
    "the slot is taken away": ({"source.postgres.slot": "one"}, {"source.postgres.slot": REMOVE}),
    "the volume shrinks": ({"processors.storage": {"size": "10Gi"}}, {"processors.storage": {"size": "9Gi"}}),
    "the volume's class changes": (
        {"processors.storage": {"storageClassName": "fast"}},
        {"processors.storage": {"storageClassName": "slow"}},
    ),
}
MUTABLE: dict[str, tuple[Changes, Changes]] = {
    "search is given later": ({"sink": REMOVE}, {"sink": {"search": {"url": "http://search:9200"}}}),
    "search is taken away": ({}, {"sink": REMOVE}),
    "a sink": ({}, sink()),
    "a sink's options": (sink(), sink(config={"s3.bucket.name": "other"})),
    "a sink is taken away": (sink(), {"sinks": REMOVE}),
    "how many profiles are waited for": ({"source": {"topic": {}}}, {"source.topic.atLeast": 5}),
    "pods": ({}, {"processors.replicas": 5}),
    "the volume grows": (
        {"processors.storage": {"size": "10Gi"}},
        {"processors.storage": {"size": "10241Mi"}},
    ),
    "the database's host and port": ({}, {"source.postgres.host": "standby", "source.postgres.port": 6432}),
    "the publication": ({}, {"source.postgres.publication": "another"}),
    "the table's credentials": ({}, {"source.postgres.credentialsSecret": "another"}),
    "the filter": ({}, {"processing.filter": 'click.action == "buy"'}),
    "the window's size is written otherwise": ({}, {"processing.window.size": "300s"}),
    "an advance that was the default is written": ({}, {"processing.window.advance": "5m"}),
    "an advance that was the default is left out": (
        {"processing.window": {"size": "5m", "advance": "300s"}},
        {"processing.window.advance": REMOVE},
    ),
    "an advance that was not there is null": ({}, {"processing.window.advance": None}),
    "grace, retention and emit": (
        {},
        {
            "processing.window.grace": "2m",
            "processing.window.retention": "2h",
            "processing.window.emit": "final",
        },
    ),
    "the policy": ({}, {"deletionPolicy": "Delete"}),
    "metrics come": ({}, metrics(metric(topic="views"))),
    "metrics go": (metrics(metric(topic="views")), metrics()),
    "a metric's every part": (
        metrics(metric(topic="views")),
        metrics({"name": "page-views", "sum": "1", "topic": "sums", "window": {"size": "1h"}}),
    ),
}


def update(plane: ControlPlane, before: Changes, after: Changes) -> Any:
    name = f"update-{next(_numbers)}"
    document = changed(before)
    document["metadata"]["name"] = name
    create(plane, document, dry=False)
    try:
        live = plane.request("GET", path_of("shop", name))
        return plane.request("PUT", f"{path_of('shop', name)}?{STRICT}", changed(after, live))
    finally:
        plane.request("DELETE", path_of("shop", name))


@pytest.mark.parametrize(("before", "after"), IMMUTABLE.values(), ids=IMMUTABLE)
def test_what_state_depends_on_cannot_change(
    before: Changes, after: Changes, plane: ControlPlane, shop: str
) -> None:
    with pytest.raises(Refused) as refused:
        update(plane, before, after)
    assert refused.value.code == 422


@pytest.mark.parametrize(("before", "after"), MUTABLE.values(), ids=MUTABLE)
def test_the_rest_can_change(before: Changes, after: Changes, plane: ControlPlane, shop: str) -> None:
    assert update(plane, before, after)


@pytest.mark.parametrize("field", ["size", "advance"])
def test_window_that_changes_is_refused_with_what_to_do(field: str, plane: ControlPlane, shop: str) -> None:
    with pytest.raises(Refused, match="make a second pipeline") as refused:
        update(plane, {}, {f"processing.window.{field}": {"size": "10m", "advance": "1m"}[field]})
    assert f"spec.processing.window.{field}" in refused.value.message


def test_scale_goes_through_the_rules(plane: ControlPlane, shop: str) -> None:
    document = changed({})
    document["metadata"]["name"] = "scaled"
    create(plane, document, dry=False)
    plane.kubectl("scale", "clickpipeline/scaled", "-n", "shop", "--replicas=4")
    assert plane.request("GET", path_of("shop", "scaled"))["spec"]["processors"]["replicas"] == 4
    with pytest.raises(Refused, match=r"at most topics\.partitions"):
        plane.kubectl("scale", "clickpipeline/scaled", "-n", "shop", "--replicas=13")
    plane.request("DELETE", path_of("shop", "scaled"))


def test_kubectl_explains_every_field(plane: ControlPlane, shop: str) -> None:
    text = plane.kubectl("explain", "clickpipeline.spec", "--recursive")
    assert "commitInterval" in text
    schema = json.loads(plane.kubectl("get", "crd", "clickpipelines.clickstream.dev", "-o", "json"))
    root = schema["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    undescribed = [
        path for path, field in fields_of(root["properties"]["spec"], "spec") if not field.get("description")
    ]
    assert undescribed == []


def test_crd_and_parser_know_the_same_fields() -> None:
    crd = yaml.safe_load(CRD.read_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    ours = {path for path, _ in fields_of(crd["properties"]["spec"], "spec")}
    assert ours == set(paths_of(Spec, "spec"))


def test_stored_objects_survive_an_upgrade_of_the_crd(plane: ControlPlane, shop: str) -> None:
    document = changed({})
    document["metadata"]["name"] = "stored"
    create(plane, document, dry=False)
    crd = json.loads(plane.kubectl("get", "crd", "clickpipelines.clickstream.dev", "-o", "json"))
    properties = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    properties["later"] = {"type": "string", "default": "added", "description": "A field of a later version."}
    for field in ("managedFields", "resourceVersion", "uid"):
        crd["metadata"].pop(field, None)
    try:
        plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", text=json.dumps(crd))
        eventually(lambda: plane.request("GET", path_of("shop", "stored"))["spec"].get("later") == "added")
        plane.kubectl("scale", "clickpipeline/stored", "-n", "shop", "--replicas=2")
    finally:
        plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRD))
        plane.request("DELETE", path_of("shop", "stored"))


def fields_of(schema: dict[str, Any], path: str) -> list[tuple[str, dict[str, Any]]]:
    """Return every field below a schema with its path."""
    found = []
    for name, field in schema.get("properties", {}).items():
        found.append((f"{path}.{name}", field))
        found += fields_of(field, f"{path}.{name}")
        found += fields_of(field.get("items", {}), f"{path}.{name}")
        values = field.get("additionalProperties")
        found += fields_of(values, f"{path}.{name}") if isinstance(values, dict) else []
    return found


def paths_of(model: Any, path: str) -> list[str]:
    """Return the path of every field below a model."""
    found = []
    for field in model.model_fields.values():
        where = f"{path}.{field.alias}"
        found.append(where)
        inner = [
            a
            for a in (field.annotation, *getattr(field.annotation, "__args__", ()))
            if hasattr(a, "model_fields")
        ]
        found += paths_of(inner[0], where) if inner else []
    return found
