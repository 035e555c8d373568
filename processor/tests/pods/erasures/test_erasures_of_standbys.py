"""An erasure under the controller: owner and standby forget the user, and a fail-over brings nothing back."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from clickstream_chaos.pipeline import Pipeline, Shape
from clickstream_local.machine.ports import HOST
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.eventually import eventually
from clickstream_local.testing.fixtures import Topics
from confluent_kafka import Producer, murmur2
from processor_support.erasures import OTHER, USER, Erasure, files_with, places

pytestmark = pytest.mark.timeout(900)  # its steps wait for pods one after the other
PARTITIONS, PODS, CLICKS = 2, 2, 20


@pytest.fixture
def pipeline(kafka: Kafka, topics: Topics, tmp_path: Path) -> Iterator[Pipeline]:
    """Give a pipeline without profiles, which are not an erasure's, and with a standby of each task."""
    shape = Shape(partitions=PARTITIONS, pods=PODS, standbys=1)
    pipeline = Pipeline(tmp_path, kafka.bootstrap, topics.unique("erasures"), shape)
    for file in tmp_path.glob("settings*.json"):
        document = json.loads(file.read_text())
        document["processing"] |= {"join": {"type": "none"}, "transform": {}, "dedup": {}}
        file.write_text(json.dumps(document | {"settingsVersion": 5}))
    try:
        pipeline.start()
        yield pipeline
    finally:
        pipeline.stop()


def send(pipeline: Pipeline, *users: str) -> int:
    """Send clicks; return the time of all of them."""
    producer = Producer(
        {"bootstrap.servers": pipeline.bootstrap, "enable.idempotence": True, "partitioner": "murmur2_random"}
    )
    now_ms = time.time_ns() // 1_000_000
    for number in range(CLICKS):
        for user in users:
            click = {"user_id": user, "page_url": "/", "action": "view", "timestamp": now_ms}
            producer.produce(
                pipeline.topic("clicks"), json.dumps(click | {"message_id": f"{now_ms}-{number}"}), user
            )
    assert producer.flush(60) == 0
    return now_ms


def clicks_of(pipeline: Pipeline, ordinal: int, user: str, at_ms: int) -> int | None:
    """Return what a pod answers for a user and a time, None where it does not answer."""
    url = f"http://{HOST}:{pipeline.query_port + ordinal}/dashboard/users/{user}/metrics?at={at_ms}"
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            said = json.load(answer)
            return next(int(count) for name, count in said.items() if name.startswith("clicks_last_"))
    except urllib.error.HTTPError as error:
        return 0 if error.code == 404 else None
    except OSError:
        return None


def owners(pipeline: Pipeline, task: str) -> list[int]:
    """Return the pods that say that a task runs there."""
    said = ((ordinal, pipeline.status(ordinal).get("tasks", {}).get(task, {})) for ordinal in range(PODS))
    return [n for n, state in said if (state.get("role"), state.get("phase")) == ("owner", "running")]


def holders(pipeline: Pipeline) -> list[int]:
    """Return the pods whose files have the user."""
    return [ordinal for ordinal in range(PODS) if files_with(pipeline.data(ordinal), USER)]


def restarted(pipeline: Pipeline) -> list[int]:
    """Restart all pods in order, as a standby has in memory what it reads until then; return the holders."""
    for ordinal in range(PODS):
        # One that is stopped before it has read all begins again, and would never come to the end.
        eventually(partial(pipeline.caught_up, ordinal), "the pod has read all", timeout_s=120)
        pipeline.pod(ordinal).stop()
        pipeline.restart_pod(ordinal)
    pipeline.wait_until_running(120)
    return holders(pipeline)


def test_owner_and_standby_forget_the_user_and_the_heir_does_not_know_him(pipeline: Pipeline) -> None:
    at_ms = send(pipeline, USER, OTHER)
    task = f"clicks-{murmur2(USER.encode(), PARTITIONS)}"

    def is_counted() -> bool:
        return all(clicks_of(pipeline, ordinal, USER, at_ms) == CLICKS for ordinal in range(PODS))

    eventually(is_counted, "all clicks are counted", timeout_s=180)
    eventually(lambda: restarted(pipeline) == list(range(PODS)), "files of both with the user", timeout_s=180)
    environment = {
        "CLICKSTREAM_SETTINGS": str(pipeline.folder / "settings.json"),
        "CLICKSTREAM_SECRETS_DIR": str(pipeline.folder / "secrets"),
        "CLICKSTREAM_HOST": HOST,
    }
    receipt = Erasure(pipeline.folder, environment, [USER]).run()
    # It is done: nothing is awaited here.
    assert holders(pipeline) == []
    assert (places(receipt)["pods"]["found"], places(receipt)["pods"]["left"]) == (PODS, 0)

    (owner,) = eventually(lambda: owners(pipeline, task), "the owner", timeout_s=180)
    heir = 1 - owner
    pipeline.pod(owner).kill()
    eventually(lambda: owners(pipeline, task) == [heir], "the fail-over", timeout_s=180)
    assert clicks_of(pipeline, heir, USER, at_ms) == 0
    again_ms = send(pipeline, USER)
    eventually(
        lambda: clicks_of(pipeline, heir, USER, again_ms) == CLICKS, "clicks that are new", timeout_s=180
    )
