"""What the parser says of metrics: paths, words, defaults, and what does not depend on how it was written."""

from typing import Any

import pytest
from clickstream_operator.errors import InvalidSpec
from clickstream_operator.manifests.settings import settings_document
from clickstream_operator.manifests.topics import topic_specs
from clickstream_operator.spec.clickpipeline import parse
from clickstream_operator.spec.rules import INTERNAL_TOPICS
from operator_support.documents import changed
from operator_support.metric_documents import Changes, metric, metrics, window


def problems_of(changes: Changes) -> dict[str, str]:
    with pytest.raises(InvalidSpec) as caught:
        parse(changed(changes))
    return {problem.path: str(problem) for problem in caught.value.problems}


def written(*given: Any) -> list[dict[str, Any]]:
    """Return the metrics as the pods' settings have them."""
    found: list[dict[str, Any]] = settings_document(parse(changed(metrics(*given))))["processing"]["metrics"]
    return found


def test_defaults_of_a_metric_are_those_of_the_contract() -> None:
    (found,) = written({"name": "a", "sum": "click.amount"})
    assert found == {
        "name": "a",
        "of": "clicks",
        "where": "",
        "by": {},
        "count": None,
        "sum": "click.amount",
        "min": None,
        "max": None,
        "avg": None,
        "distinct": None,
        "window": {"size": "5m", "advance": None, "grace": "1m", "retention": "24h"},
        "topic": None,
        "emit": "updates",
        "keys": {"max": 10_000},
    }


def test_count_is_written_as_what_was_given() -> None:
    assert written(metric())[0]["count"] == {}


def test_keys_come_in_one_order_however_they_were_written() -> None:
    """State is kept by it: whoever applies the same metric from another tool must not begin it anew."""
    one, other = ({name: f"click.{name}" for name in names} for names in ("bca", "cab"))
    assert list(written(metric(by=one))[0]["by"].items()) == list(written(metric(by=other))[0]["by"].items())


@pytest.mark.parametrize(
    ("changes", "path", "words"),
    [
        (metrics({"name": "a"}), "", "exactly one of count, sum, min, max, avg, distinct; it has none"),
        (metrics(metric(sum="1", avg="1")), "", "it has count and sum and avg"),
        (metrics(metric(), metric()), "[1].name", '"page-views": must differ from that of metrics[0]'),
        (metrics(metric(name="A")), ".name", "must be lower-case letters, digits and -"),
        (metrics({"name": "a", "sum": "click.action"}), ".sum", "line 1, column 1: the value is of type"),
        (metrics(metric(where="click.vip")), ".where", "not bool"),
        (metrics(metric(wher="true")), ".wher", "did you mean where?"),
        (metrics(metric(count={"all": 1})), ".count.all", "write {}"),
        (window(advance="7s"), ".window.advance", '"7s": must divide the size (5m) into whole panes'),
        (window(size="744h", advance="1m"), ".window.advance", "at least 1/1440 of the size (744h)"),
        (window(advance="1s"), ".window", "must keep at most 20000 panes"),
        (window(advance="1s"), ".window", "here it is 86760s / 1s"),
        (metrics(metric(topic="user-clicks")), ".topic", "must differ from topics.clicks"),
        (
            metrics(metric(name="a", topic="x"), metric(name="b", topic="x")),
            ".topic",
            "must differ from processing.metrics[1].topic",
        ),
        (metrics(metric(topic="shop.storefront-acks")), ".topic", "one of the pipeline's own topics"),
        (metrics(metric(keys={"max": 0})), ".keys.max", "must be greater than or equal to 1"),
    ],
)
def test_problem_says_where_what_is_wrong_and_what_is_allowed(
    changes: Changes, path: str, words: str
) -> None:
    where = f"spec.processing.metrics{path if path.startswith('[') else f'[0]{path}'}"
    assert words in problems_of(changes)[where]


def test_all_problems_of_all_metrics_are_listed_at_once() -> None:
    found = problems_of(
        metrics(
            metric(where="click.", window={"size": "5m", "advance": "3m"}),
            {"name": "b", "topic": "enriched-clicks"},
            "no metric",
            metric(by={"a-b": "1"}, emit="never"),
        )
    )
    assert set(found) == {
        "spec.processing.metrics[0].where",
        "spec.processing.metrics[0].window.advance",
        "spec.processing.metrics[1]",
        "spec.processing.metrics[1].topic",
        "spec.processing.metrics[2]",
        "spec.processing.metrics[3].by.a-b",
        "spec.processing.metrics[3].emit",
        "spec.processing.metrics[3].name",
    }


def test_names_that_are_kept_free_are_those_of_the_pipelines_own_topics() -> None:
    specs = topic_specs(
        parse(changed(metrics(metric()) | {"topics.partitioner": "any", "collector": {"open": True}}))
    )
    own = [topic.name for topic in specs if topic.internal]
    assert own == [f"shop.storefront-{purpose}" for purpose in INTERNAL_TOPICS]
