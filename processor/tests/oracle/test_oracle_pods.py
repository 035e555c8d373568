"""Two running pods on real Kafka, killed again and again, write what Kafka Streams writes.

The whole processor against the oracle: committed records only, each enriched click once and in its order, the
last count of each user and window. Profiles change between two phases, when the pods have read all clicks of
the first: in a running system a click meets whichever profile is there, and the oracle could not know which.
"""

import json
import random
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from clickstream_local.machine.ports import free_row
from clickstream_local.machine.web import request
from clickstream_local.parts.kafka import Kafka
from clickstream_local.parts.pods import Pods
from clickstream_local.pipeline.reference import Place, create_topics, write_secret, write_settings
from clickstream_local.testing.fixtures import Topics
from clickstream_local.testing.randomised import seed as seed_of
from clickstream_operator.manifests.names import names_of
from clickstream_operator.spec.clickpipeline import ClickPipeline, parse
from clickstream_processor.topology.plan import Plan
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition, murmur2
from processor_support.lines.line_driver import CLICKS, PROFILES, Event, Output
from processor_support.oracles.differential import random_events
from processor_support.oracles.kafka_streams_oracle import outputs_of

pytestmark = pytest.mark.real

PARTITIONS = 4
EVENTS = 8_000  # a phase
DEADLINE_S = 180.0
START_BEFORE_MS = 4 * 86_400_000  # within the topics' retention, and no event gets into the future

# One user of each partition that has no clicks: their profiles come last.
MARKERS = tuple(
    next(
        user
        for user in map("marker-{}".format, range(100))
        if murmur2(user.encode(), PARTITIONS) == partition
    )
    for partition in range(PARTITIONS)
)

CASES = [
    pytest.param(
        Plan("", PARTITIONS, 10_000, None, 7_000, 3_600_000, "updates", "inner"), id="inner-tumbling"
    ),
    pytest.param(Plan("", PARTITIONS, 10_000, 5_000, 0, 3_600_000, "updates", "left"), id="left-hopping"),
]


@dataclass(frozen=True, slots=True)
class Sent:
    """One event at its place."""

    event: Event
    partition: int


class Running:
    """One pipeline on the session's broker, with its pods."""

    def __init__(self, plan: Plan, kafka: Kafka, topics: Topics, folder: Path) -> None:
        self._bootstrap = kafka.bootstrap
        suffix = topics.unique("oracle")
        self._place = Place(kafka.bootstrap, 1, "http://127.0.0.1:1", "opensearch", free_row(2), free_row(2))
        self.pipeline = parse(_document(plan, self._place, suffix))
        create_topics(self.pipeline, kafka.bootstrap)
        settings = folder / "settings.json"
        write_settings(self.pipeline, self._place, settings)
        write_secret(folder / "secrets", names_of(self.pipeline).peer_key, {"key": "oracle"})
        self.pods = Pods(
            folder,
            settings=settings,
            secrets=folder / "secrets",
            count=2,
            query_port=self._place.query_port,
            admin_port=self._place.admin_port,
            assignment="static:2",
        )

    def send(self, sent: Iterable[Sent], pause_s: float = 0.0) -> None:
        """Send everything; with a pause after each 50, so that the pods work while this still sends."""
        producer = Producer(
            {"bootstrap.servers": self._bootstrap, "enable.idempotence": True, "linger.ms": 5}
        )
        refused: list[Any] = []
        names = {CLICKS: self.pipeline.spec.topics.clicks, PROFILES: self.pipeline.spec.topics.profiles}
        for number, one in enumerate(sent):
            event = one.event
            if pause_s and number % 50 == 49:
                time.sleep(pause_s)
            producer.produce(
                names[event.topic],
                None if event.value is None else event.value.encode(),
                None if event.key is None else event.key.encode(),
                one.partition,
                timestamp=event.timestamp,
                on_delivery=lambda error, _: refused.append(error) if error else None,
            )
            producer.poll(0)
        assert producer.flush(60) == 0
        assert not refused, refused[0]

    def committed(self, topic: str, partition: int) -> list[Output]:
        """Return the committed records of a partition, to its end: the last offsets may hold no record."""
        reader = Consumer(
            {
                "bootstrap.servers": self._bootstrap,
                "group.id": "oracle",
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "enable.auto.commit": False,
            }
        )
        records: list[Output] = []
        deadline = time.monotonic() + DEADLINE_S
        try:
            reader.assign([TopicPartition(topic, partition, 0)])
            while time.monotonic() < deadline:
                for message in reader.consume(10_000, 0.1):
                    error = message.error()
                    if error is not None:
                        assert error.code() == KafkaError._PARTITION_EOF, error
                        return records
                    key, value = _text(message.key()), _text(message.value())
                    records.append(Output(topic, key, value, message.timestamp()[1]))
            raise AssertionError(f"{topic}-{partition} was not read to its end")
        finally:
            reader.close()

    def knows_markers(self) -> bool:
        """Tell whether each task has read its profiles up to the marker at their end."""
        url = self.pods.pods[0].url
        return all(request("GET", f"{url}/dashboard/users/{user}/metrics").ok for user in MARKERS)

    def handled(self) -> int:
        """Return how many clicks the newest position records cover."""
        topic = f"{self.pipeline.spec.id}-positions"
        total = 0
        for partition in range(PARTITIONS):
            positions = self.committed(topic, partition)
            total += json.loads(positions[-1].value or "{}")["clicks"] if positions else 0
        return total


def _text(data: str | bytes | None) -> str | None:
    return data.decode() if isinstance(data, bytes) else data


def _document(plan: Plan, place: Place, suffix: str) -> dict[str, Any]:
    window = {"size": f"{plan.size_ms // 1_000}s", "grace": f"{plan.grace_ms // 1_000}s"}
    if plan.advance_ms:
        window["advance"] = f"{plan.advance_ms // 1_000}s"
    names = ("clicks", "profiles", "enriched", "metrics", "deadLetters")
    return {
        "apiVersion": "clickstream.dev/v1alpha1",
        "kind": "ClickPipeline",
        "metadata": {"name": "oracle", "namespace": "shop"},
        "spec": {
            "id": suffix,
            "kafka": {"bootstrapServers": place.bootstrap, "cluster": "events"},
            "connect": {"cluster": "connect"},
            "source": {
                "postgres": {
                    "host": "postgres",
                    "database": "shop",
                    "table": "public.user_profiles",
                    "credentialsSecret": "none",
                }
            },
            "topics": {name: f"{suffix}-{name.lower()}" for name in names}
            | {"partitions": PARTITIONS, "replicas": place.replicas},
            "processing": {
                "join": {"type": plan.join, "waitForSnapshot": False},
                "window": window,
            },
            "sink": {"search": {"url": place.search_url}},
            "processors": {"replicas": 2, "standbys": 0},
        },
    }


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("plan", CASES)
def test_two_pods_that_are_killed_write_what_kafka_streams_writes(
    plan: Plan, kafka: Kafka, topics: Topics, tmp_path: Path
) -> None:
    seed = seed_of(20_260_101)
    print(f"seed {seed}")
    random_ = random.Random(seed)
    running = Running(plan, kafka, topics, tmp_path)
    phases = _phases(random_)
    try:
        running.send(phases[0].profiles)
        running.pods.start()
        killed = _kill_while_sending(running, phases[0].clicks, 0, random_)
        read = running.pods.metric("clickstream_records_consumed_total", input="profiles")
        running.send(phases[1].profiles)
        _eventually(running, running.knows_markers, "the changed profiles are read")
        read += len(phases[1].profiles)
        _eventually(
            running,
            lambda: running.pods.metric("clickstream_records_consumed_total", input="profiles") == read,
            "profiles that come without clicks are counted",
        )
        killed += _kill_while_sending(running, phases[1].clicks, len(phases[0].clicks), random_)
    finally:
        running.pods.stop()
    assert killed >= 4, "the pods were hardly ever killed while they had work"
    _compare(running.pipeline, running, plan, phases)


@dataclass(frozen=True, slots=True)
class Phase:
    """Profiles first, then clicks."""

    profiles: list[Sent]
    clicks: list[Sent]


def _phases(random_: random.Random) -> list[Phase]:
    start_ms = int(time.time() * 1_000) - START_BEFORE_MS
    phases = []
    for _ in range(2):
        events = random_events(EVENTS, random_, start_ms)
        start_ms = max(event.timestamp for event in events if event.topic == CLICKS)
        profiles = [e for e in events if e.topic == PROFILES and e.key is not None]  # compacted: no null keys
        clicks = [e for e in events if e.topic == CLICKS]
        phases.append(Phase(_placed(profiles), _placed(clicks)))
    markers = [Event(PROFILES, user, json.dumps({"user_id": user}), start_ms) for user in MARKERS]
    phases[1].profiles.extend(_placed(markers))
    return phases


def _placed(events: Sequence[Event]) -> list[Sent]:
    return [Sent(e, 0 if e.key is None else murmur2(e.key.encode(), PARTITIONS)) for e in events]


def _kill_while_sending(running: Running, clicks: Sequence[Sent], before: int, random_: random.Random) -> int:
    """Send the clicks in parts, kill a pod at a random moment of each; return the kills amid the sending."""
    parts = 5
    killed = 0
    for number in range(parts):
        part = clicks[number * len(clicks) // parts : (number + 1) * len(clicks) // parts]
        pod = random_.randrange(2)
        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(running.send, part, pause_s=0.03)
            time.sleep(random_.uniform(0.05, 0.6))
            running.pods.kill(pod)
            killed += not sending.done()
            sending.result()
        running.pods.restart(pod)
    _eventually(running, lambda: running.handled() == before + len(clicks), "all clicks are committed")
    return killed


def _compare(pipeline: ClickPipeline, running: Running, plan: Plan, phases: Sequence[Phase]) -> None:
    by_partition: list[list[Event]] = [[] for _ in range(PARTITIONS)]
    for phase in phases:
        for sent in [*phase.profiles, *phase.clicks]:
            by_partition[sent.partition].append(sent.event)
    names = pipeline.spec.topics
    reference = outputs_of([(replace(plan, partitions=1), events) for events in by_partition])
    compared = 0
    for partition, theirs in enumerate(reference):
        theirs = [output for output in theirs if output.key is not None]  # see differential.expected
        here = running.committed(names.enriched, partition)
        there = [output for output in theirs if output.topic == "enriched"]
        assert [_enriched(o, "clicks-0-", f"{names.clicks}-{partition}-") for o in there] == [
            _enriched(o, "", "") for o in here
        ]
        assert _last(running.committed(names.metrics, partition)) == _last(
            [output for output in theirs if output.topic == "metrics"]
        )
        compared += len(here)
    assert compared > EVENTS / 2


def _enriched(output: Output, prefix: str, by: str) -> tuple[str | None, dict[str, Any], int]:
    fields = json.loads(output.value or "")
    if prefix:
        fields["event_id"] = fields["event_id"].replace(prefix, by, 1)
    return output.key, fields, output.timestamp


def _last(outputs: Sequence[Output]) -> dict[Any, tuple[Any, int]]:
    """Return the last count of each user and window; each count must be greater than the one before."""
    last: dict[Any, tuple[Any, int]] = {}
    counts: dict[Any, int] = defaultdict(int)
    for output in outputs:
        value = json.loads(output.value or "")
        window = value["user_id"], value["window_start"]
        assert value["clicks"] > counts[window], f"{window} goes back or stands still"
        counts[window] = value["clicks"]
        last[window] = value, output.timestamp
    return last


def _eventually(running: Running, condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            states = [request("GET", f"{pod.admin_url}/metrics").body.decode() for pod in running.pods.pods]
            shown = [line for state in states for line in state.splitlines() if _TELLING.match(line)]
            raise AssertionError(f"not after {DEADLINE_S:.0f} s: {what}\n" + "\n".join(shown))
        time.sleep(0.1)


_TELLING = re.compile(
    r"clickstream_(task_state.* 1|consumer_lag_records|records_|commits_|producer_starts).*[0-9]"
)
