"""Random clicks through Kafka Streams' windows and through both stages of metrics: every window compared.

What the two must agree on, and how Kafka Streams is asked where its rule is another: metric_oracle.truths.
"""

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from clickstream_processor.aggregation.gathering.loop import Row
from clickstream_processor.aggregation.metric import Metric
from clickstream_processor.topology.records.records import Profile

from processor_support.lines.metric_lines import run
from processor_support.lines.metrics_rig import row
from processor_support.oracles.comparison import Comparison
from processor_support.oracles.metric_oracle import (
    FAILED,
    LEFT_OUT,
    Click,
    Place,
    Truth,
    Windowed,
    group_text,
    is_value,
    truths,
    value_text,
)

START_MS = 1_690_000_000_000
HOUR_MS = 3_600_000
AMOUNTS = (1, 2, 2.5, -3, 0.1, 2**62, 1e-9, -1e16)
MIXED = ("1", 1, True, "true", False, None, "null", "", -7, 2.5)
VIEWS = 'click.action == "view"'
BY_PAGE = {"page": "click.page_url"}
BY_COUNTRY = {"country": "profile.country", "buys": 'click.action == "buy"'}
Fields = Mapping[str, Any]

READ: dict[str, Callable[[Fields], Any]] = {
    "click.page_url": lambda each: each["page"],
    "profile.country": lambda each: each["country"],
    'click.action == "buy"': lambda each: each["action"] == "buy",
    "click.amount": lambda each: each["amount"],
    "click.mixed": lambda each: each["mixed"],
    "click.user_id": lambda each: each["user"],
}


def _metric(kind: Any, value: str, size_ms: int, advance_ms: int, grace_ms: int, **more: Any) -> Metric:
    return Metric(
        "m", kind, value, size_ms=size_ms, advance_ms=advance_ms, grace_ms=grace_ms,
        retention_ms=10**15, topic="t", max_keys=10**9, **more,
    )  # fmt: skip


# A metric, and how many clicks partitions and metrics partitions it has. Clicks partitions are hours apart.
CASES: tuple[tuple[Metric, int, int], ...] = (
    (_metric("count", "", 10_000, 10_000, 7_000, by=BY_PAGE, where=VIEWS), 1, 1),
    (_metric("count", "", 10_000, 10_000, 0, by=BY_COUNTRY, emit="final"), 1, 2),
    (_metric("sum", "click.amount", 10_000, 5_000, 5_000, by=BY_PAGE), 1, 1),
    (_metric("distinct", "click.mixed", 10_000, 1_000, 3_000, by=BY_COUNTRY, emit="final"), 1, 1),
    (_metric("avg", "click.amount", 9_999, 9_999, 2_000, by=BY_COUNTRY), 1, 1),
    (_metric("min", "click.amount", 12_000, 3_000, 0, where=VIEWS, emit="final"), 1, 1),
    (_metric("distinct", "click.user_id", 60_000, 60_000, 20_000), 3, 2),
    (_metric("max", "click.amount", 10_000, 2_000, 1_000, by=BY_PAGE), 3, 3),
    (_metric("sum", "click.amount", 20_000, 10_000, 9_000, by=BY_COUNTRY, emit="final"), 3, 2),
)


def name_of(metric: Metric, partitions: int) -> str:
    """Return a case's name."""
    window = f"{metric.size_ms}-{metric.advance_ms}-grace-{metric.grace_ms}"
    return f"{metric.kind}-{window}-{metric.emit}-of-{partitions}"


def random_fields(number: int, random: Random, start_ms: int) -> list[dict[str, Any]]:
    """Return the clicks of one partition: out of order, late, on boundaries and next to them."""
    found = []
    now_ms, pace = start_ms, 20.0
    for _ in range(number):
        if random.random() < 0.003:
            pace = random.choice((0.5, 20.0, 300.0, 5_000.0))
        now_ms += int(random.expovariate(1 / pace))
        choice = random.random()
        event_ms = now_ms if choice < 0.6 else now_ms - int(random.expovariate(1 / 3_000))
        if choice > 0.9:
            event_ms = now_ms - int(random.expovariate(1 / 20_000))
        if random.random() < 0.1:
            event_ms += random.choice((-1, 0, 1)) - event_ms % 1_000
        fields = {
            "event_ms": max(0, event_ms),
            "user": f"user-{random.randrange(400)}",
            "page": f"/{min(int(random.paretovariate(0.8)), 50)}ü",
            "action": random.choice(("view", "view", "buy")),
            "country": random.choice(("DE", "Côte d'Ivoire", 'say "hi"', None)),
            "mixed": random.choice(MIXED),
        }
        if random.random() < 0.98:
            fields["amount"] = random.choice(AMOUNTS)
        found.append(fields)
        now_ms = max(now_ms, event_ms)
    return found


def rows_of(clicks: Sequence[Fields]) -> list[Row]:
    """Return a partition's clicks as the pipeline gives them to the metrics."""
    rows, time_ms = [], -1
    for each in clicks:
        time_ms = max(time_ms, each["event_ms"])
        profile = None if each["country"] is None else Profile(each["user"], country=each["country"])
        amount = {"amount": each["amount"]} if "amount" in each else {}
        rows.append(
            row(each["event_ms"], time_ms, user=each["user"], page=each["page"], action=each["action"],
                profile=profile, mixed=each["mixed"], **amount)
        )  # fmt: skip
    return rows


def oracle_clicks(metric: Metric, clicks: Sequence[Fields]) -> list[Click]:
    """Return a partition's clicks as the oracle reads them."""
    found = []
    for each in clicks:
        group, value = LEFT_OUT, value_text(metric.kind, 0)
        if metric.where != VIEWS or each["action"] == "view":
            try:
                value = value_text(metric.kind, READ[metric.value](each) if metric.value else None)
                group = group_text(READ[source](each) for source in metric.by.values())
            except KeyError:
                group = FAILED
        found.append(Click(each["user"], each["event_ms"], group, value))
    return found


def differences(
    metric: Metric, results: Sequence[Mapping[str, Any]], truth: Truth, closed_ms: int | None = None
) -> list[str]:
    """Return where the two differ: the last value of each window and group, which are told, and how often.

    Given `closed_ms`, only windows that are closed by then must be told.
    """
    found = []
    last: dict[Place, Mapping[str, Any]] = {}
    for each in results:
        place = each["window_start"], group_text(each["keys"][name] for name in metric.by)
        if metric.emit == "final" and place in last:
            found.append(f"{place} is told twice")
        if metric.kind == "count" and place in last and last[place]["value"] >= each["value"]:
            found.append(f"{place} goes back or stands still")
        last[place] = each
    wanted = set(truth.values)
    if closed_ms is not None:
        wanted = {each for each in wanted if each[0] + metric.size_ms + metric.grace_ms <= closed_ms}
    if wanted != last.keys():
        wrong = sorted(wanted ^ last.keys())
        found.append(f"{len(wrong)} windows are told by one of them only: {wrong[:3]}")
    wrong = sorted(
        place for place in wanted & last.keys() if not is_value(metric.kind, last[place], truth.values[place])
    )
    return found + [f"{place}: {truth.values[place]} there, {last[place]} here" for place in wrong]


def windowed(metric: Metric) -> Windowed:
    """Return a metric as the oracle counts it."""
    return Windowed(metric.kind, metric.size_ms, metric.panes.advance_ms, metric.grace_ms, metric.emit)


def compare_all(clicks: int, seed: int, cases: Sequence[tuple[Metric, int, int]] = CASES) -> list[Comparison]:
    """Compare each case on its own random clicks; everything follows from the seed."""
    inputs = []
    for metric, partitions, _ in cases:
        random = Random(f"{seed}-{name_of(metric, partitions)}")
        starts = [random.choice((0, START_MS)) + number * 3 * HOUR_MS for number in range(partitions)]
        inputs.append([random_fields(clicks // partitions, random, start_ms) for start_ms in starts])
    asked = [
        (windowed(metric), [oracle_clicks(metric, each) for each in input_])
        for (metric, _, _), input_ in zip(cases, inputs, strict=True)
    ]
    compared = []
    for (metric, partitions, merging), input_, truth in zip(cases, inputs, truths(asked), strict=True):
        rows = [rows_of(each) for each in input_]
        if partitions > 1:
            rows.append([])  # nobody waits for a partition that never had a click
        ran = run(metric, rows, merging, Random(f"{seed} {name_of(metric, partitions)}"))
        figures = {"windows": len(truth.values), "results": len(ran.results), "late": ran.late}
        closed_ms = ran.time_ms if metric.emit == "final" and partitions > 1 else None
        found = differences(metric, ran.results, truth, closed_ms)
        if ran.late != truth.late:
            found.append(f"late: {truth.late} there, {ran.late} here")
        compared.append(Comparison(name_of(metric, partitions), found, figures))
    return compared
