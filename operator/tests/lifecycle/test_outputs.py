"""Two pipelines that write the same topic or index are told apart from two that do not, or say so."""

from typing import Any

import pytest
import yaml
from clickstream_operator.kube.store import Key
from clickstream_operator.lifecycle.id_conflicts import IdConflicts
from clickstream_operator.lifecycle.outputs import clash_message, clashes, kafkas, outputs_of
from clickstream_operator.manifests.settings import settings_document
from clickstream_operator.spec.clickpipeline import ClickPipeline, parse
from operator_support import REPOSITORY
from operator_support.documents import changed

OWN = {
    "topics.profiles": "own-profiles",
    "topics.enriched": "own-enriched",
    "topics.metrics": "own-metrics",
    "topics.deadLetters": "own-dead-letters",
    "sink.search.index": "own",
}
OUTPUTS = ["topics.profiles", "topics.enriched", "topics.metrics", "topics.deadLetters", "sink.search.index"]


def document(name: str, namespace: str = "shop", **changes: Any) -> dict[str, Any]:
    dotted = {path.replace("__", "."): value for path, value in changes.items()}
    meta = {"name": name, "namespace": namespace}
    return changed(dotted) | {"metadata": meta}


def pipeline(name: str, namespace: str = "shop", **changes: Any) -> ClickPipeline:
    return parse(document(name, namespace, **changes))


def fields(one: ClickPipeline, other: ClickPipeline) -> list[str]:
    return [output.field for output in clashes(outputs_of(one), outputs_of(other))]


def test_default_names_clash_and_clicks_do_not() -> None:
    assert fields(pipeline("b"), pipeline("a")) == OUTPUTS


@pytest.mark.parametrize("path", OWN)
def test_each_output_needs_a_name_of_its_own(path: str) -> None:
    others = {p.replace(".", "__"): name for p, name in OWN.items() if p != path}
    assert fields(pipeline("b", **others), pipeline("a")) == [path]


def test_sharing_on_purpose_is_said_by_both() -> None:
    words: dict[str, Any] = {
        "topics__shared": ["profiles", "enriched", "metrics", "deadLetters"],
        "sink__search__shared": True,
    }
    assert fields(pipeline("b", **words), pipeline("a")) == OUTPUTS
    assert fields(pipeline("b"), pipeline("a", **words)) == OUTPUTS
    assert fields(pipeline("b", **words), pipeline("a", **words)) == []


def test_topic_of_anothers_state_is_not_to_be_written() -> None:
    others = {p.replace(".", "__"): name for p, name in OWN.items()}
    found = fields(pipeline("b", **(others | {"topics__enriched": "shop.a-changelog"})), pipeline("a"))
    assert found == ["topics.enriched"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("events:9092", "events:9092", True),
        ("events:9092", "events:9093", True),  # another listener of the same Service
        ("events:9092", "events.shop.svc:9092", True),
        ("events.shop:9092", "events.shop.svc.cluster.local:9092", True),
        ("a.example.com:9092,b.example.com:9092", "b.example.com:9092", True),
        ("events:9092", "other:9092", False),
        ("127.0.0.1:9092", "127.0.0.1:9093", False),
        ("[::1]:9092", "[::1]:9092", True),
        ("localhost:9092", "localhost:9093", False),
    ],
)
def test_one_kafka_is_known_by_several_addresses(one: str, other: str, same: bool) -> None:
    alone: dict[str, Any] = {"topics__manage": False}
    first = parse(without_cluster(document("a", **alone, kafka__bootstrapServers=one)))
    second = parse(without_cluster(document("b", **alone, kafka__bootstrapServers=other)))
    assert bool(kafkas(first) & kafkas(second)) == same


def without_cluster(given: dict[str, Any]) -> dict[str, Any]:
    del given["spec"]["kafka"]["cluster"]
    return given


def test_bare_names_mean_each_namespaces_own_services() -> None:
    assert fields(pipeline("a", "web"), pipeline("a", "shop")) == []


def test_message_names_the_older_pipeline_and_both_ways_out() -> None:
    found = clashes(outputs_of(pipeline("b")), outputs_of(pipeline("a")))
    message = clash_message(found, Key("shop", "a"))
    assert "topic user-profiles (topics.profiles), topic enriched-clicks (topics.enriched)" in message
    assert "index enriched-clicks (sink.search.index)" in message
    assert "older pipeline shop/a" in message
    assert (
        "list profiles, enriched, metrics, deadLetters in topics.shared and set sink.search.shared" in message
    )


def test_younger_is_refused_and_the_older_goes_on_in_whatever_order_they_are_seen() -> None:
    conflicts = IdConflicts()
    for name, born in (("b", "2026-01-02"), ("a", "2026-01-01")):
        given = document(name)
        given["metadata"] |= {"creationTimestamp": born, "uid": name}
        conflicts.learn(Key("shop", name), pipeline(name), given)
    assert "shop/a" in conflicts.clash(Key("shop", "b"))
    assert conflicts.clash(Key("shop", "a")) == ""
    conflicts.forget(Key("shop", "a"))
    assert conflicts.clash(Key("shop", "b")) == ""


def test_examples_may_be_applied_together() -> None:
    texts = [path.read_text() for path in (REPOSITORY / "examples").glob("*.yaml")]
    found = [parse(yaml.safe_load(text)) for text in texts if "kind: ClickPipeline" in text]
    assert len(found) >= 3
    pairs = [(a, b) for a in found for b in found if a is not b]
    assert [(a.name, b.name, fields(a, b)) for a, b in pairs if fields(a, b)] == []


def test_word_on_sharing_rolls_no_pod() -> None:
    assert settings_document(pipeline("a")) == settings_document(
        pipeline("a", topics__shared=["metrics"], sink__search__shared=True)
    )
