"""What the pipeline costs the source database: a writer alone, then beside the source connector and clicks.

The claim: PostgreSQL is asked nothing for an event. The reference pipeline runs on real parts, without the
sink: PostgreSQL with a writer of changes, Kafka Connect with the source as the operator has it, one pod.
"""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from clickstream_local.load.profiles import make_profiles
from clickstream_local.machine.ports import free_row
from clickstream_local.parts.connect import Connect, build_sink
from clickstream_local.parts.pods import Pods
from clickstream_local.parts.postgres import Postgres
from clickstream_local.pipeline.database import ProfileTable, Writer
from clickstream_local.pipeline.reference import EXAMPLE, Place, create_topics, load, write_secret
from clickstream_operator.assignment.tasks import tasks_of
from clickstream_operator.manifests.connectors import directory_references, profiles_connector
from clickstream_operator.spec.clickpipeline import ClickPipeline

from clickstream_bench.ground import Ground, say, when
from clickstream_bench.latency import SteadyClicks
from clickstream_bench.scaling.database import Watch
from clickstream_bench.scaling.sizes import STEADY_S, Sizes
from clickstream_bench.systems import pods_of

ROLE = "clickstream"
PROFILES = 5_000
CHANGES_S = 20.0
SETTLE_S = 5.0  # between a start and the measurement: the stop of one phase is not in the next
CONSUMED = "clickstream_records_consumed_total"


def postgres(here: Ground, sizes: Sizes) -> dict[str, Any]:
    """Return the server's work by phase: `writer`, `source` (with the pod, no clicks), `clicks`."""
    server = Postgres(here.folder)
    place = Place(
        here.kafka.bootstrap,
        server.port,
        "http://127.0.0.1:1",
        "opensearch",
        free_row(1),
        free_row(1),
        pods=1,
    )
    pipeline = load(EXAMPLE, place)
    phase = _Phase(Watch(server, here.folder, pipeline.postgres.database), sizes.postgres_s)
    try:
        server.start()
        phase.watch.prepare()
        with _writer(here, server, pipeline) as writer:
            found = {"writer": phase.run(writer)}
            with _running(here, pipeline, place) as pods:
                found["source"] = phase.run(writer, pods)
                topics = pipeline.spec.topics
                users = [profile.user_id for profile in make_profiles(100)]  # whom the writer never deletes
                clicks = SteadyClicks(here.kafka.bootstrap, topics.clicks, STEADY_S, users, topics.partitions)
                clicks.start()
                try:
                    found["clicks"] = phase.run(writer, pods)
                finally:
                    clicks.stop()
    finally:
        server.stop()
    for name, figures in found.items():
        say(f"PostgreSQL, {name}: { ({key: value for key, value in figures.items() if key != 'asked'}) }")
    return found


class _Phase:
    """Measures for so long."""

    def __init__(self, watch: Watch, seconds: float) -> None:
        self.watch = watch
        self._seconds = seconds

    def run(self, writer: Writer, pods: Pods | None = None) -> dict[str, Any]:
        """Let things settle; return what happens then: the server's work, changes, clicks and profiles."""
        time.sleep(SETTLE_S)
        work, counts = self.watch.work(), _counts(writer, pods)
        time.sleep(self._seconds)
        done = self.watch.work().since(work).document(ROLE)
        return done | {key: value - counts[key] for key, value in _counts(writer, pods).items()}


def _counts(writer: Writer, pods: Pods | None) -> dict[str, int]:
    asked = {"clicks": "clicks", "profile_changes_applied": "profiles"}
    return {"changes": writer.changes} | {
        name: int(pods.metric(CONSUMED, input=topic)) if pods else 0 for name, topic in asked.items()
    }


@contextmanager
def _writer(here: Ground, server: Postgres, pipeline: ClickPipeline) -> Iterator[Writer]:
    """Give the table with its rows, the pipeline's role and publication, and a writer at work."""
    source, password = pipeline.postgres, secrets.token_urlsafe(24)
    write_secret(here.folder / "secrets", source.credentials_secret, {"username": ROLE, "password": password})
    table = ProfileTable(server, source.database)
    table.prepare(ROLE, password, str(source.publication), make_profiles(PROFILES))
    writer = Writer(table, PROFILES, CHANGES_S)
    writer.start()
    try:
        yield writer
    finally:
        writer.stop()


@contextmanager
def _running(here: Ground, pipeline: ClickPipeline, place: Place) -> Iterator[Pods]:
    """Give the pod of a pipeline whose source connector runs and whose snapshot is complete."""
    create_topics(pipeline, here.kafka.bootstrap)
    build_sink()  # its jar has the source's step
    connect = Connect(here.folder / "connect", here.kafka, secrets=here.folder / "secrets")
    pods = pods_of(pipeline, place, here.folder / "pipeline")
    source = profiles_connector(pipeline, directory_references(pipeline, str(connect.secrets)))
    try:
        say("starting Kafka Connect, the source and a pod")
        connect.start()
        connect.put(source.name, source.rest())
        connect.wait_until_running(source.name)
        pods.start()
        tasks = len(tasks_of(pipeline))
        when(
            lambda: pods.metric("clickstream_task_state", role="owner", phase="running") >= tasks,
            "not all tasks run",
        )
        yield pods
    finally:
        pods.stop()
        connect.stop()
