"""Metrics through real pods: what the topics hold in the end is what the clicks say, however pods end."""

import json
import random
import shutil
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.eventually import eventually
from clickstream_local.testing.fixtures import Topics
from clickstream_processor.aggregation.metric import Metric
from clickstream_processor.aggregation.partials import METRIC, end_of, metric_prefix
from clickstream_processor.state.memory import MemoryShares, StateMemory
from clickstream_processor.state.store import TaskStore
from confluent_kafka import OFFSET_END, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from processor_support.oracles.naive_metrics import Event, on_time, windows
from processor_support.runtime_rig import Rig, users

NAMES = users(60)
MEMORY = StateMemory(MemoryShares.of_limit(1 << 30))
MINUTE_MS = 60_000
HOURS_LATE_MS = 7_200_000  # by any clock
COUNTRIES = ("USA", "Chile", "Ghana")

Keys = tuple[Any, ...]


def metrics() -> list[dict[str, Any]]:
    """Return metrics of several kinds; the rig gives each its topic."""
    hopping = {"size": "3m", "advance": "1m", "grace": "30s", "retention": "24h"}
    tumbling = {"size": "1m", "grace": "30s", "retention": "24h"}
    return [
        {
            "name": "page-views",
            "where": 'click.action == "view"',
            "by": {"page": "click.page_url"},
            "count": {},
            "window": hopping,
        },
        {"name": "active-users", "by": {"country": "profile.country"}, "distinct": "click.user_id"}
        | {"window": hopping},
        {"name": "revenue", "where": 'click.action == "buy"', "sum": "click.amount"}
        | {"window": tumbling, "emit": "final"},
    ]


@pytest.fixture
def rig(kafka: Kafka, topics: Topics, tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(kafka, topics, tmp_path, partitions=4, pods=2, processing={"metrics": metrics()})
    for number, user in enumerate(NAMES):
        row = {"user_id": user, "name": user, "email": "", "plan_tier": "free"}
        rig.send("profiles", user, row | {"country": COUNTRIES[number % 3]})
    rig.flush()
    yield rig
    rig.stop()


class Clicks:
    """Writes clicks of several minutes, some of them out of order, some hours late.

    Times go on with the clock between two calls, as those of final results do while no click comes.
    """

    def __init__(self, rig: Rig, start_ms: int) -> None:
        self._rig, self.end_ms, self._sent_s = rig, start_ms, time.monotonic()

    def send(self, count: int, seed: int) -> None:
        """Write so many."""
        chance = random.Random(seed)
        start_ms = self.end_ms + int(1_000 * (time.monotonic() - self._sent_s))
        for number in range(count):
            user = NAMES[chance.randrange(len(NAMES))]
            late_ms = chance.choice((0, 0, 0, 5_000, HOURS_LATE_MS))
            click = {
                "user_id": user,
                "page_url": f"/p/{chance.randrange(20)}",
                "action": chance.choice(("view", "buy", "heartbeat")),
                "timestamp": start_ms + number * 100 - late_ms,
                "amount": chance.choice((1, 2.5, 0.1)),
            }
            self._rig.send("clicks", user, click)
        self._rig.flush()
        self.end_ms, self._sent_s = start_ms + count * 100, time.monotonic()


def truth(rig: Rig) -> dict[str, dict[tuple[int, Keys], Any]]:
    """Return what each metric must come to, from the clicks as they stand in Kafka."""
    country = {user: COUNTRIES[number % 3] for number, user in enumerate(NAMES)}
    events: dict[str, list[Event]] = defaultdict(list)
    for message in rig.committed(rig.names["clicks"]):
        click = json.loads(message.value() or b"")
        if click["action"] == "heartbeat":
            continue
        place, user = (message.partition() or 0, click["timestamp"]), click["user_id"]
        events["active-users"].append(Event(*place, (country[user],), user))
        # Time goes on with the clicks that a metric leaves out, too: the naive way counts none of them.
        events["page-views"].append(Event(*place, (click["page_url"],), click["action"] == "view"))
        events["revenue"].append(Event(*place, (), click["amount"] if click["action"] == "buy" else None))
    kept = {name: on_time(each, MINUTE_MS, 30_000)[0] for name, each in events.items()}
    views = [each for each in kept["page-views"] if each.value]
    bought = [each for each in kept["revenue"] if each.value is not None]
    return {
        "page-views": windows(views, 180_000, MINUTE_MS, "count"),
        "active-users": windows(kept["active-users"], 180_000, MINUTE_MS, "distinct"),
        "revenue": windows(bought, MINUTE_MS, MINUTE_MS, "sum"),
    }


def told(rig: Rig, name: str) -> dict[tuple[int, Keys], list[Any]]:
    """Return the values that a metric's topic has of each window and key, in order."""
    found: dict[tuple[int, Keys], list[Any]] = defaultdict(list)
    for message in rig.committed(f"{rig.id}-{name}"):
        result = json.loads(message.value() or b"")
        assert result["metric"] == name
        found[result["window_start"], tuple(result["keys"].values())].append(result["value"])
    return found


def last_told(rig: Rig, name: str) -> dict[tuple[int, Keys], Any]:
    return {place: values[-1] for place, values in told(rig, name).items()}


def assert_metrics_are_true(rig: Rig, *, final_before_ms: int) -> None:
    """Wait until the topics say what is true; final results are there of windows that have closed."""
    rig.wait_until_handled()
    wanted = truth(rig)
    eventually(lambda: last_told(rig, "page-views") == wanted["page-views"], "page-views are true")
    eventually(lambda: last_told(rig, "active-users") == wanted["active-users"], "active-users are true")
    closed = {place: value for place, value in wanted["revenue"].items() if place[0] < final_before_ms}
    assert closed, "no window has closed: the test shows nothing"

    def all_closed() -> bool:
        return closed.keys() <= told(rig, "revenue").keys()

    eventually(all_closed, "closed windows are told")
    results = told(rig, "revenue")
    assert {place: len(values) for place, values in results.items() if len(values) != 1} == {}
    assert {place: Fraction(results[place][0]) for place in closed} == {
        place: Fraction(value) for place, value in closed.items()
    }


def every_pod_answers_the_same(rig: Rig) -> bool:
    """Compare what both pods answer with what is true: all keys of each window, and one key's series."""
    wanted = truth(rig)["page-views"]
    starts = sorted({start for start, _ in wanted})[-5:]
    for ordinal in (0, 1):
        (listed,) = [
            each for each in rig.answer("/api/metrics", ordinal)["metrics"] if each["name"] == "page-views"
        ]
        assert listed["window"] == {
            "size_ms": 180_000,
            "advance_ms": MINUTE_MS,
            "grace_ms": 30_000,
            "retention_ms": 86_400_000,
        }
        for start_ms in starts:
            answer = rig.answer(f"/api/metrics/page-views?window={start_ms}&top=1000", ordinal)
            assert not answer["partial"]
            (window,) = answer["windows"]
            shown = {(row["keys"]["page"],): row["value"] for row in window["rows"]}
            assert shown == {keys: count for (start, keys), count in wanted.items() if start == start_ms}
            values = [row["value"] for row in window["rows"]]
            assert values == sorted(values, reverse=True)
            assert window["total"] == sum(values)
        series = rig.answer(
            f"/api/metrics/page-views?by.page=/p/3&from={starts[0]}&to={starts[-1] + 1}", ordinal
        )
        found = {each["window_start"]: each["rows"][0]["value"] for each in series["windows"] if each["rows"]}
        assert found == {
            start: count for (start, keys), count in wanted.items() if keys == ("/p/3",) and start in starts
        }
    return True


@pytest.mark.parametrize("kinds", ["with distinct", "without"])
def test_the_library_of_sketches_is_loaded_before_the_first_click_and_only_for_distinct(
    kafka: Kafka, topics: Topics, tmp_path: Path, kinds: str
) -> None:
    """Loading takes a second, which would be the worker's once it has clicks to process."""
    counted = [each for each in metrics() if "distinct" not in each or kinds == "with distinct"]
    rig = Rig(kafka, topics, tmp_path, partitions=4, pods=1, processing={"metrics": counted})
    try:
        rig.start()
        rig.wait_until_running()
        mapped = Path(f"/proc/{rig.processes[0].pid}/maps").read_text()
        assert ("_datasketches" in mapped) == (kinds == "with distinct")
    finally:
        rig.stop()


def test_metrics_are_exact_through_kills_and_lost_volumes(rig: Rig) -> None:
    clicks = Clicks(rig, int(time.time() * 1_000) - 40 * MINUTE_MS)
    clicks.send(3_000, seed=1)  # before a pod can say of a partition that it has no click
    for ordinal in (0, 1):
        rig.start(ordinal)
    rig.wait_until_handled()

    # A pod is killed in the middle of its work, and comes back with what is on its volume.
    clicks.send(3_000, seed=2)
    eventually(lambda: rig.handled() > 3_000, "some are handled")
    rig.processes[0].kill()
    eventually(lambda: rig.processes[0].exit_status is not None, "it is dead")
    rig.start(0)
    clicks.send(3_000, seed=3)
    assert_metrics_are_true(rig, final_before_ms=clicks.end_ms - 4 * MINUTE_MS)

    # Its volume is lost: the state comes back from the changelogs.
    rig.processes[1].kill()
    eventually(lambda: rig.processes[1].exit_status is not None, "it is dead")
    shutil.rmtree(rig.data_dir(1))
    rig.start(1)
    clicks.send(3_000, seed=4)
    assert_metrics_are_true(rig, final_before_ms=clicks.end_ms - 4 * MINUTE_MS)
    assert rig.metric("clickstream_metric_late_total", metric="page-views") > 0
    eventually(lambda: every_pod_answers_the_same(rig), "both pods answer with what is true")


def test_final_results_come_though_clicks_stop_and_some_partitions_never_had_any(rig: Rig) -> None:
    for ordinal in (0, 1):
        rig.start(ordinal)
    user = NAMES[0]
    event_ms = int(time.time() * 1_000) - 95_000
    click = {"user_id": user, "page_url": "/", "action": "buy", "timestamp": event_ms, "amount": 7}
    rig.send("clicks", user, click)
    rig.flush()
    rig.wait_until_handled()
    window_ms = event_ms // MINUTE_MS * MINUTE_MS
    # The click was 95 s late: time goes on from there with the clock, and closes its minute.
    eventually(lambda: told(rig, "revenue") == {(window_ms, ()): [7]}, "the final result")


def test_partials_that_expired_unread_stop_no_task(kafka: Kafka, rig: Rig) -> None:
    for ordinal in (0, 1):
        rig.start(ordinal)
    clicks = Clicks(rig, int(time.time() * 1_000) - 10 * MINUTE_MS)
    clicks.send(500, seed=1)
    rig.wait_until_handled()
    eventually(lambda: last_told(rig, "page-views") == truth(rig)["page-views"], "page-views are true")
    rig.stop()

    # Records that nobody has read, and the log begins after them: what a long stop comes to.
    topic = f"{rig.id}-partials"
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "enable.idempotence": True})
    for partition in range(rig.partitions):
        for _ in range(5):
            producer.produce(topic, b"unread", b"unread", partition)
    assert producer.flush(30) == 0
    ends = [TopicPartition(topic, partition, OFFSET_END) for partition in range(rig.partitions)]
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    for deleted in admin.delete_records(ends).values():
        deleted.result(30)

    for ordinal in (0, 1):
        rig.start(ordinal)
    clicks.send(500, seed=2)
    rig.wait_until_handled()
    eventually(lambda: last_told(rig, "page-views") == truth(rig)["page-views"], "page-views are true")
    assert rig.metric("clickstream_records_dropped_total", reason="expired-partial") >= 10
    assert "what was between is lost" in rig.log()


class Traffic:
    """Clicks of now, from a thread, until it is left."""

    def __init__(self, rig: Rig) -> None:
        self._rig, self._stop = rig, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._rig.flush()

    def _run(self) -> None:
        chance = random.Random(5)
        while not self._stop.wait(0.02):
            user, now_ms = NAMES[chance.randrange(len(NAMES))], int(time.time() * 1_000)
            click = {"user_id": user, "page_url": f"/p/{chance.randrange(5)}", "action": "view"}
            self._rig.send("clicks", user, click | {"timestamp": now_ms})


def configure(rig: Rig, metrics: list[dict[str, Any]]) -> None:
    """Write other metrics into the settings, and restart the pods one by one."""
    document = json.loads(rig.settings.read_text())
    document["processing"]["metrics"] = metrics
    rig.settings.write_text(json.dumps(document))
    for ordinal in (0, 1):
        rig.processes[ordinal].stop()
        rig.start(ordinal)
        rig.wait_until_running(ordinal)


def since_ms(rig: Rig, name: str) -> int:
    """Return since when a metric is counted, once all tasks have begun."""

    def told() -> int | None:
        listed = rig.answer("/api/metrics")
        (found,) = [each for each in listed["metrics"] if each["name"] == name]
        since: int | None = None if listed["partial"] else found["since_ms"]
        return since

    return eventually(told, "all tasks count it") or 0


def is_true(rig: Rig, name: str, key: str, first_ms: int, end_ms: int) -> bool:
    """Tell whether a metric by a field has every click in the windows that begin in [first, end)."""
    true: Counter[tuple[int, Keys]] = Counter()
    for message in rig.committed(rig.names["clicks"]):
        click = json.loads(message.value() or b"")
        true[click["timestamp"] // 1_000 * 1_000, (click[key],)] += 1
    found = last_told(rig, name)
    windows = [{at: n for at, n in each.items() if first_ms <= at[0] < end_ms} for each in (true, found)]
    assert windows[0], "no clicks: the test shows nothing"
    return windows[0] == windows[1]


def test_metrics_come_and_go_under_load_and_disturb_no_other(rig: Rig) -> None:
    window = {"size": "1s", "grace": "5m", "retention": "24h"}
    pages = {"name": "page-views", "by": {"page": "click.page_url"}, "count": {}, "window": window}
    users = {"name": "active-users", "by": {"user": "click.user_id"}, "count": {}, "window": window}
    pages["topic"], users["topic"] = f"{rig.id}-page-views", f"{rig.id}-active-users"
    with Traffic(rig):
        configure(rig, [pages])
        pages_ms = since_ms(rig, "page-views")
        configure(rig, [pages, users])
        users_ms, now_ms = since_ms(rig, "active-users"), int(time.time() * 1_000)
        assert since_ms(rig, "page-views") == pages_ms < users_ms
        eventually(lambda: is_true(rig, "page-views", "page_url", pages_ms, now_ms), "one came beside it")
        configure(rig, [users])
        assert since_ms(rig, "active-users") == users_ms
        assert rig.get("/api/metrics/page-views") is None
    rig.wait_until_handled()
    eventually(lambda: is_true(rig, "active-users", "user_id", users_ms, 2**60), "one went beside it")

    rig.stop()
    left = Metric("page-views", by={"page": "click.page_url"}, size_ms=1_000).identity
    for ordinal in (0, 1):
        for folder in (rig.data_dir(ordinal) / "tasks").glob("metrics-*"):
            store = TaskStore.open(folder, MEMORY)
            assert list(store.scan(metric_prefix(left), end_of(metric_prefix(left)))) == []
            assert store.get(METRIC + left) is None
            store.close()
