"""Metrics that are right and metrics that are wrong, as documents.py has the rest of a spec."""

from typing import Any

Changes = dict[str, Any]


def metrics(*given: Any, **changes: Any) -> Changes:
    """Return the change that asks for these metrics, and others: `topics__clicks` for topics.clicks."""
    others = {path.replace("__", "."): value for path, value in changes.items()}
    return {"processing.metrics": list(given), **others}


def metric(**fields: Any) -> dict[str, Any]:
    """Return a metric: it counts clicks, unless the fields say otherwise."""
    return {"name": "page-views", "count": {}} | fields


def window(**fields: Any) -> Changes:
    """Return the change that asks for a metric of this window."""
    return metrics(metric(window=fields))


VALID: dict[str, Changes] = {
    "no metric": metrics(),
    "a metric of each kind": metrics(
        {"name": "a", "count": {}},
        {"name": "b", "sum": "click.amount"},
        {"name": "c", "min": "click.timestamp"},
        {"name": "d", "max": "double(click.amount)"},
        {"name": "e", "avg": "click.amount * 2.0"},
        {"name": "f", "distinct": "click.user_id"},
    ),
    "a metric with all said": metrics(
        {
            "name": "revenue",
            "where": 'click.action == "buy"',
            "by": {"plan": "profile.plan_tier", "page": "click.page_url", "_2": "click.vip == true"},
            "sum": "click.amount",
            "window": {"size": "1h", "advance": "5m", "grace": "0ms", "retention": "100h"},
            "topic": "Revenue_v1.eu",
            "emit": "final",
            "keys": {"max": 100_000},
        }
    ),
    "nulls in a metric": metrics(
        metric(where=None, by=None, sum=None, window={"advance": None}, topic=None, emit=None, keys=None)
    ),
    "metrics as many as may be": metrics(*(metric(name=f"m{n}", topic=f"metric-{n}") for n in range(50))),
    "a metric's name as long as may be": metrics(metric(name="a" * 31 + "-" + "9" * 31)),
    "a metric's window of one pane": window(size="10m", advance="600s"),
    "a metric's window of as many panes as may be": window(size="24h", advance="1m"),
    "as many panes kept as may be": window(size="10s", grace="0s", retention="199990s"),
    "a millisecond more than as many panes": window(size="10s", grace="999ms", retention="199990s"),
    "a metric's topic named like another pipeline's own": metrics(metric(topic="shop.other-partials")),
}

# path that the problem is about, then the changes
INVALID: dict[str, tuple[str, Changes]] = {
    "metrics that are no list": ("spec.processing.metrics", {"processing.metrics": {"name": "a"}}),
    "more metrics than may be": (
        "spec.processing.metrics",
        metrics(*(metric(name=f"m{n}") for n in range(51))),
    ),
    "a metric that is a text": ("spec.processing.metrics[0]", metrics("page-views")),
    "a metric without name": ("spec.processing.metrics[0].name", metrics({"count": {}})),
    "a metric's name with capitals": ("spec.processing.metrics[0].name", metrics(metric(name="Views"))),
    "a metric's name that ends in a hyphen": (
        "spec.processing.metrics[0].name",
        metrics(metric(name="views-")),
    ),
    "a metric's name too long": ("spec.processing.metrics[0].name", metrics(metric(name="a" * 64))),
    "two metrics of one name": ("spec.processing.metrics[1].name", metrics(metric(), metric(topic="b"))),
    "a metric of no kind": ("spec.processing.metrics[0]", metrics({"name": "a"})),
    "a metric whose count is null": ("spec.processing.metrics[0]", metrics({"name": "a", "count": None})),
    "a metric of two kinds": ("spec.processing.metrics[1]", metrics(metric(name="a"), metric(sum="1"))),
    "a count of something": ("spec.processing.metrics[0].count.of", metrics(metric(count={"of": "clicks"}))),
    "a misspelled field of a metric": ("spec.processing.metrics[0].wher", metrics(metric(wher="true"))),
    "four keys": (
        "spec.processing.metrics[0].by",
        metrics(metric(by=dict.fromkeys("abcd", "click.action"))),
    ),
    "a key with a hyphen in its name": (
        "spec.processing.metrics[0].by.page-url",
        metrics(metric(by={"page-url": "click.page_url"})),
    ),
    "a key without expression": ("spec.processing.metrics[0].by.page", metrics(metric(by={"page": ""}))),
    "a sum without expression": ("spec.processing.metrics[0].sum", metrics({"name": "a", "sum": ""})),
    "a sum that is a number": ("spec.processing.metrics[0].sum", metrics({"name": "a", "sum": 1})),
    "a where too long": (
        "spec.processing.metrics[0].where",
        metrics(metric(where="true || " * 512 + "true")),
    ),
    "a placeholder in a where": (
        "spec.processing.metrics[0].where",
        metrics(metric(where='click.action == "${a:b}"')),
    ),
    "a placeholder in a key": (
        "spec.processing.metrics[0].by.a",
        metrics(metric(by={"a": '"${a:b}"'})),
    ),
    "a metric's window in days": ("spec.processing.metrics[0].window.size", window(size="1d")),
    "a metric's advance below a second": (
        "spec.processing.metrics[0].window.advance",
        window(advance="500ms"),
    ),
    "an advance that does not divide the size": (
        "spec.processing.metrics[0].window.advance",
        window(size="5m", advance="2m"),
    ),
    "an advance that does not divide the default size": (
        "spec.processing.metrics[0].window.advance",
        window(advance="7s"),
    ),
    "an advance over the size": (
        "spec.processing.metrics[0].window.advance",
        window(size="5m", advance="10m"),
    ),
    "a window of more panes than may be": (
        "spec.processing.metrics[0].window.advance",
        window(size="1441m", advance="1m", retention="0s"),
    ),
    "more panes kept than may be": (
        "spec.processing.metrics[0].window",
        window(size="10s", grace="1s", retention="199990s"),
    ),
    "a default retention of too many panes": (
        "spec.processing.metrics[0].window",
        window(size="5m", advance="1s"),
    ),
    "a metric's grace too long": ("spec.processing.metrics[0].window.grace", window(grace="745h")),
    "a metric's topic with a slash": ("spec.processing.metrics[0].topic", metrics(metric(topic="a/b"))),
    "a metric's topic that the enriched clicks have": (
        "spec.processing.metrics[0].topic",
        metrics(metric(topic="enriched-clicks")),
    ),
    "a metric's topic that another metric has": (
        "spec.processing.metrics[1].topic",
        metrics(metric(name="a", topic="x"), metric(name="b", topic="x")),
    ),
    "a metric's topic that is the pipeline's own": (
        "spec.processing.metrics[1].topic",
        metrics(metric(name="a"), metric(name="b", topic="team.shop-metrics-changelog"), id="team.shop"),
    ),
    "a topic that is the pipeline's own": (
        "spec.topics.enriched",
        {"id": "team.shop", "topics.enriched": "team.shop-changelog"},
    ),
    "a topic that would be the pipeline's own with metrics": (
        "spec.topics.deadLetters",
        {"id": "team.shop", "topics.deadLetters": "team.shop-partials"},
    ),
    "an unknown emit": ("spec.processing.metrics[0].emit", metrics(metric(emit="always"))),
    "no key": ("spec.processing.metrics[0].keys.max", metrics(metric(keys={"max": 0}))),
    "too many keys": ("spec.processing.metrics[0].keys.max", metrics(metric(keys={"max": 100_001}))),
}

INVALID_FOR_THE_PARSER_ALONE: dict[str, tuple[str, Changes]] = {
    "a where that is no condition": (
        "spec.processing.metrics[0].where",
        metrics(metric(where="click.action")),
    ),
    "a key that is a list": ("spec.processing.metrics[0].by.a", metrics(metric(by={"a": "[1]"}))),
    "a sum of texts": ("spec.processing.metrics[0].sum", metrics({"name": "a", "sum": "click.action"})),
    "a mean that does not parse": (
        "spec.processing.metrics[1].avg",
        metrics(metric(), {"name": "a", "avg": "click."}),
    ),
    "different lists": ("spec.processing.metrics[0].distinct", metrics({"name": "a", "distinct": "[1]"})),
    "a metric's topic that is the own of an id not given": (
        "spec.processing.metrics[0].topic",
        metrics(metric(topic="shop.storefront-partials")),
    ),
    "a topic that is the own of an id not given": (
        "spec.topics.metrics",
        {"topics.metrics": "shop.storefront-acks"},
    ),
}
