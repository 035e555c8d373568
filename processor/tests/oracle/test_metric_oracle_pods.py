"""Two running pods on real Kafka, killed again and again, tell of metrics what Kafka Streams tells.

The oracle gets the clicks as they stand in Kafka, partition by partition. Committed results only: what a
topic has last of each window and key, a final result once, a count that only grows; and both pods' answers.
"""

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.eventually import eventually
from clickstream_local.testing.fixtures import Topics
from clickstream_local.testing.randomised import seed as seed_of
from clickstream_processor.aggregation.metric import Metric
from processor_support.oracles.differential_metrics import AMOUNTS, BY_PAGE, MIXED, VIEWS, differences
from processor_support.oracles.metric_oracle import Truth, group_text
from processor_support.oracles.pods_oracle import clicks_of, pods_metrics, settings_of, told
from processor_support.runtime_rig import Rig, users

pytestmark = pytest.mark.real

PARTITIONS = 4
CLICKS = 1_500  # a round
ROUNDS = 4
MINUTE_MS = 60_000
HOURS_LATE_MS = 7_200_000
COUNTRIES = {
    user: ("USA", "Côte d'Ivoire", "日本", None)[number % 4] for number, user in enumerate(users(60))
}
NAMES = list(COUNTRIES)
BY_BUYS = {"buys": 'click.action == "buy"', "country": "profile.country"}

METRICS = [
    replace(metric, retention_ms=24 * 60 * MINUTE_MS)
    for metric in (
        Metric("page-views", by=BY_PAGE, where=VIEWS, size_ms=180_000, advance_ms=60_000, grace_ms=30_000),
        Metric("amounts", "sum", "click.amount", by=BY_PAGE, size_ms=60_000, grace_ms=0),
        Metric("values", "distinct", "click.mixed", by=BY_BUYS, size_ms=90_000, advance_ms=30_000),
        # The clock closes its panes, too: no click is between on time and hours late.
        Metric("revenue", "sum", "click.amount", size_ms=60_000, grace_ms=120_000, emit="final"),
    )
]


@pytest.fixture
def rig(kafka: Kafka, topics: Topics, tmp_path: Path) -> Iterator[Rig]:
    settings = [settings_of(metric) for metric in METRICS]
    rig = Rig(kafka, topics, tmp_path, partitions=PARTITIONS, pods=2, processing={"metrics": settings})
    for user, country in COUNTRIES.items():
        row = {"user_id": user, "name": user, "email": "", "plan_tier": "free", "country": country}
        rig.send("profiles", user, row)
    rig.flush()
    yield rig
    rig.stop()


def send(rig: Rig, count: int, start_ms: int, random_: random.Random, pause_s: float) -> int:
    """Write clicks on time and late, with a pause after each 50; return the time of the newest one."""
    for number in range(count):
        user = random_.choice(NAMES)
        late_ms = random_.choice((0, 0, 0, random_.randrange(60_000), HOURS_LATE_MS))
        click = {
            "user_id": user,
            "page_url": f"/{random_.randrange(20)}ü",
            "action": random_.choice(("view", "view", "buy", "heartbeat")),
            "timestamp": start_ms + number * 100 - late_ms,
            "mixed": random_.choice(MIXED),
        }
        if random_.random() < 0.95:
            click["amount"] = random_.choice(AMOUNTS)
        rig.send("clicks", user, click)
        if number % 50 == 49:
            time.sleep(pause_s)
    rig.flush()
    return start_ms + count * 100


def kill_while_sending(rig: Rig, start_ms: int, random_: random.Random) -> tuple[int, int]:
    """Send a round and kill a pod meanwhile; return the newest click's time, and whether it was meanwhile."""
    ordinal = random_.randrange(2)
    pause_s = random_.uniform(0.2, 1.0)
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send, rig, CLICKS, start_ms, random.Random(random_.random()), 0.05)
        time.sleep(pause_s)
        rig.processes[ordinal].kill()
        amid = not sending.done()
        end_ms = sending.result()
    eventually(lambda: rig.processes[ordinal].exit_status is not None, "it is dead")
    rig.start(ordinal)
    return end_ms, amid


@pytest.mark.timeout(600)
def test_two_pods_that_are_killed_tell_what_kafka_streams_tells(rig: Rig) -> None:
    seed = seed_of(20_260_105)
    print(f"seed {seed}")
    random_ = random.Random(seed)
    began_s, start_ms = time.monotonic(), int(time.time() * 1_000) - 60 * MINUTE_MS
    end_ms, killed = send(rig, 500, start_ms, random_, 0.0), 0  # no partition is without a click
    for ordinal in (0, 1):
        rig.start(ordinal)
    rig.wait_until_handled()
    for _ in range(ROUNDS):
        # Times go on with the clock between the rounds, as those of final results do while no click comes.
        end_ms = max(end_ms, start_ms + int(1_000 * (time.monotonic() - began_s)))
        end_ms, amid = kill_while_sending(rig, end_ms, random_)
        killed += amid
    rig.wait_until_handled()
    assert killed >= ROUNDS - 1, "the pods were hardly ever killed while they had work"

    truth = pods_metrics(METRICS, clicks_of(rig, COUNTRIES))
    for metric in METRICS:
        assert len(truth[metric.name].values) > 5
        eventually(lambda: not wrong(rig, metric, truth[metric.name], end_ms), metric.name)  # noqa: B023
    assert truth["page-views"].late > 100
    for ordinal in (0, 1):
        eventually(lambda: answers(rig, ordinal, truth["page-views"]), "a pod answers the same")  # noqa: B023


def wrong(rig: Rig, metric: Metric, truth: Truth, end_ms: int) -> list[str]:
    """Return the differences of a metric's topic; of final results, where windows are surely closed."""
    results = told(rig, metric.name)
    if metric.emit == "updates":
        return differences(metric, results, truth)
    closed_ms = end_ms - 10_000  # each partition has newer clicks
    surely = [each for each in results if each["window_end"] + metric.grace_ms <= closed_ms]
    return differences(metric, surely, truth, closed_ms)


def answers(rig: Rig, ordinal: int, truth: Truth) -> bool:
    """Tell whether a pod's API says the same of the newest windows."""
    for start_ms in sorted({start_ms for start_ms, _ in truth.values})[-4:]:
        answer = rig.answer(f"/api/metrics/page-views?window={start_ms}&top=1000", ordinal)
        assert not answer["partial"]
        (window,) = answer["windows"]
        shown = {group_text(row["keys"].values()): row["value"] for row in window["rows"]}
        if shown != {key: int(value) for (start, key), value in truth.values.items() if start == start_ms}:
            return False
    return True
