"""Both stages of metrics say what Kafka Streams says, wherever commits and failures are.

Clicks go through Gathering and MetricsLine on one side. On the other they go through groupBy, a repartition
topic, windowedBy and an aggregate. Where must the two agree?

- Windows that tumble, one clicks partition: in everything. Kafka Streams gets all clicks and judges which are
  late: end of the window plus grace, against the stream time of the repartition topic's one partition, which
  has every click of our one partition in its order. A click that `where` leaves out moves our time, so there
  it has a group of its own.
- Windows that hop: for clicks whose pane is open. Kafka Streams closes window by window, we close panes: a
  click in a closed pane counts in no window here, there in those that are open. So Kafka Streams is asked
  first which clicks are late in tumbling windows of one pane, then for the windows of the others.
- Several clicks partitions: for clicks that are not late in their own. Behind a repartition topic those of a
  partition that is behind would be late for the newest of all. So Kafka Streams judges each partition alone,
  and then gets what counts in the order of time.
"""

from random import Random

import pytest
from clickstream_local.testing.randomised import LONG
from clickstream_local.testing.randomised import seed as seed_of
from clickstream_processor.aggregation.metric import Metric
from processor_support.lines.metric_lines import run
from processor_support.oracles.differential_metrics import compare_all, rows_of
from processor_support.oracles.metric_oracle import Click, Windowed, group_text, last_values, updates_of

pytestmark = pytest.mark.real

CLICKS = 20_000 if LONG else 2_500  # a case


@pytest.mark.timeout(900)
def test_every_window_has_what_kafka_streams_has() -> None:
    seed = seed_of(20_260_103)
    print(f"seed {seed}")
    for comparison in compare_all(CLICKS, seed):
        print(comparison.case, comparison.figures)
        assert not comparison.differences, (seed, comparison.case, comparison.differences[:3])
        assert comparison.figures["windows"] > 15
        assert comparison.figures["late"] > 5


def test_a_click_in_a_closed_pane_counts_only_in_kafka_streams_in_the_windows_that_are_open() -> None:
    times = (1_000, 12_000, 4_000, 6_000)  # 4_000: its pane closed at 5_000, window 0 at 10_000 + 5_000
    window = Windowed("count", 10_000, 5_000, 5_000)
    clicks = [Click("alice", each, group_text(["/"])) for each in times]
    (updates,) = updates_of([(window, clicks)])
    metric = Metric(
        "m", by={"page": "click.page_url"}, size_ms=10_000, advance_ms=5_000, grace_ms=5_000, topic="t"
    )
    fields = {"user": "alice", "page": "/", "action": "view", "country": None, "mixed": None}
    ran = run(metric, [rows_of([fields | {"event_ms": each} for each in times])], 1, Random(1))
    there = {start: int(value) for (start, _), value in last_values(updates).items()}
    here = {each["window_start"]: each["value"] for each in ran.results}
    assert there == {0: 3, 5_000: 2, 10_000: 1}
    assert here == {0: 2, 5_000: 2, 10_000: 1}
