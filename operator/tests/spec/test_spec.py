"""The parser: what it accepts, what it refuses, and how it says so."""

from typing import Any

import pytest
import yaml
from clickstream_operator.errors import InvalidSpec
from clickstream_operator.spec.clickpipeline import parse, slot_of
from operator_support import REPOSITORY
from operator_support.documents import (
    INVALID,
    INVALID_FOR_THE_PARSER_ALONE,
    VALID,
    Changes,
    changed,
    reference,
)

REFUSED = INVALID | INVALID_FOR_THE_PARSER_ALONE


def problems_of(document: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidSpec) as caught:
        parse(document)
    return {problem.path: str(problem) for problem in caught.value.problems}


@pytest.mark.parametrize("changes", VALID.values(), ids=VALID)
def test_valid_document_is_accepted(changes: Changes) -> None:
    assert parse(changed(changes)).name == "storefront"


@pytest.mark.parametrize(("path", "changes"), REFUSED.values(), ids=REFUSED)
def test_invalid_document_is_refused_with_its_path(path: str, changes: Changes) -> None:
    assert path in problems_of(changed(changes))


@pytest.mark.parametrize(
    "example",
    [
        path
        for path in sorted((REPOSITORY / "examples").glob("*.yaml"))
        if "kind: ClickPipeline" in path.read_text()
    ],
    ids=lambda path: path.stem,
)
def test_every_example_is_accepted(example: Any) -> None:
    assert parse(yaml.safe_load(example.read_text())).name == example.stem


def test_defaults_are_those_of_the_contract() -> None:
    spec = parse(reference()).spec.model_dump(by_alias=True)
    assert spec["id"] == "shop.storefront"
    assert spec["topics"] == {
        "manage": True,
        "partitions": 12,
        "replicas": 3,
        "clicks": "user-clicks",
        "profiles": "user-profiles",
        "enriched": "enriched-clicks",
        "metrics": "user-metrics",
        "deadLetters": "dead-letters",
        "partitioner": "murmur2",
        "compression": "lz4",
        "shared": [],
        "retention": "7d",
    }
    assert spec["sink"]["search"]["shared"] is False
    assert spec["processing"]["window"] == {
        "size": "5m",
        "advance": None,
        "grace": "1m",
        "retention": "1h",
        "emit": "updates",
    }
    assert spec["processors"]["resources"]["limits"] == {"memory": "1Gi"}
    assert spec["deletionPolicy"] == "Retain"


def test_all_problems_are_listed_at_once() -> None:
    changes = {
        "processors.replicas": 24,
        "sink.search.url": "ftp://x",
        "processing.filter": "click.action +",
        "conect": {},
        "topics.clicks": "user-profiles",
    }
    assert set(problems_of(changed(changes))) >= {
        "spec.processors.replicas",
        "spec.sink.search.url",
        "spec.processing.filter",
        "spec.conect",
        "spec.topics.clicks",
        "spec.topics.profiles",
    }


def test_problem_says_what_was_given_and_what_is_allowed() -> None:
    problem = problems_of(changed({"processors.replicas": 13}))["spec.processors.replicas"]
    assert problem == (
        "spec.processors.replicas: 13: must be at most topics.partitions (12): "
        "a pod without a partition has no work"
    )


def test_misspelled_field_names_the_likely_one() -> None:
    problems = problems_of(changed({"source.postgres.prot": 1}))
    assert "did you mean port?" in problems["spec.source.postgres.prot"]


def test_expression_problem_has_position_and_hint() -> None:
    problem = problems_of(changed({"processing.filter": "click.timestamp > 'noon'"}))[
        "spec.processing.filter"
    ]
    assert "line 1, column 17" in problem
    assert "int(), double() and string()" in problem


@pytest.mark.parametrize(
    "changes",
    [{"source.postgres.password": "hunter2"}, {"sink.search.url": "http://u:hunter2@search:9200"}],
    ids=["in an unknown field", "in a URL"],
)
def test_password_given_by_mistake_is_not_repeated(changes: Changes) -> None:
    assert not any("hunter2" in problem for problem in problems_of(changed(changes)).values())


def test_wrong_kind_and_name_are_refused() -> None:
    document = reference() | {"kind": "Pipeline", "metadata": {"name": "Storefront"}}
    assert {"kind", "metadata.name"} <= set(problems_of(document))


@pytest.mark.parametrize(
    ("pipeline_id", "slot"),
    [("shop.storefront", "shop_storefront"), ("shop-a.b", "shop__a_b"), ("shop.a-b", "shop_a__b")],
    ids=["dot", "hyphen first", "hyphen last"],
)
def test_slot_is_made_from_the_id(pipeline_id: str, slot: str) -> None:
    assert slot_of(pipeline_id) == slot


def test_long_ids_have_distinct_slots_that_postgresql_takes() -> None:
    slots = {slot_of("a" * 100 + suffix) for suffix in "xy"}
    assert len(slots) == 2
    assert all(len(slot) <= 63 for slot in slots)
