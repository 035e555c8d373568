"""Pipelines without a table and without search, run whole on this machine: clicks, pods, sinks."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from clickstream_local.errors import CannotStart
from clickstream_local.machine.ports import free_ports
from clickstream_local.machine.web import request
from clickstream_local.pipeline.options import REPOSITORY, Options, Ports
from clickstream_local.pipeline.progress import Progress
from clickstream_local.pipeline.stack import Stack
from clickstream_local.testing.eventually import eventually
from confluent_kafka import Producer

pytestmark = pytest.mark.real

EXAMPLES = REPOSITORY / "examples"
SINK = "org.apache.kafka.connect.file.FileStreamSinkConnector"
PROFILES = 50


def small(example: str) -> dict[str, Any]:
    """Return an example, with fewer partitions."""
    document = dict(yaml.safe_load((EXAMPLES / f"{example}.yaml").read_text()))
    document["spec"]["topics"]["partitions"] = 2
    return document


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Stack]]:
    """Give what makes the stack of a document; it is stopped afterwards."""
    made: list[Stack] = []
    names = [each.name for each in fields(Ports)]

    def stack(document: dict[str, Any], *, whole: bool = False) -> Stack:
        file = tmp_path / "pipeline.yaml"
        file.write_text(yaml.safe_dump(document))
        ports = Ports(**dict(zip(names, free_ports(len(names)), strict=True)))
        rates = {"rate": 1.0, "profiles": PROFILES, "changes": 1.0, "seed": 1}
        options = Options(data=tmp_path / "data", pipeline=file, engine=None, pods=1, ports=ports, **rates)  # type: ignore[arg-type]
        options.data.mkdir()
        made.append(Stack(options, Progress(), whole=whole))
        return made[0]

    yield stack
    for one in made:
        one.stop()


def send(stack: Stack, *users: str) -> None:
    """Write a click of each user."""
    producer = Producer(
        {
            "bootstrap.servers": stack.kafka.bootstrap,
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
        }
    )
    now_ms = int(time.time() * 1_000)
    for user in users:
        click = {"user_id": user, "page_url": "/p", "action": "view", "timestamp": now_ms}
        producer.produce(stack.pipeline.spec.topics.clicks, json.dumps(click), user)
    assert producer.flush(60) == 0


def lines(file: Path) -> list[str]:
    """Return what a sink has written."""
    return file.read_text().splitlines() if file.exists() else []


def answer(stack: Stack, path: str) -> Any:
    return request("GET", f"{stack.pods.pods[0].url}{path}", timeout_s=30)


def test_profiles_of_a_topic_and_a_sink_of_files(make: Callable[..., Stack], tmp_path: Path) -> None:
    document, file = small("with-a-sink"), tmp_path / "clicks.txt"
    document["spec"]["source"]["topic"]["atLeast"] = PROFILES
    document["spec"]["sink"] = None
    document["spec"]["sinks"][0]["connector"] = {"class": SINK, "config": {"file": str(file)}}
    stack = make(document)
    stack.start()
    assert set(stack.parts()) == {"Kafka", "Kafka Connect", "the controller", "the collector", "a pod"}
    send(stack, "alice123", "alice123")
    eventually(lambda: len(lines(file)) == 2, "both clicks are in the file")
    assert all("user_name=Alice Smith" in line for line in lines(file))
    assert answer(stack, "/api/search?q=alice123").json()["type"].endswith("/no-search-index")
    page = answer(stack, "/operations").body.decode()
    assert 'href="search"' not in page


def test_clicks_alone_need_neither_database_nor_engine_nor_connect(make: Callable[..., Stack]) -> None:
    document = small("without-profiles")
    stack = make(document)
    stack.start()
    assert set(stack.parts()) == {"Kafka", "the controller", "the collector", "a pod"}
    send(stack, "ann")
    eventually(lambda: answer(stack, "/dashboard/users/ann/metrics").ok, "ann is known")
    assert answer(stack, "/dashboard/users/ann/metrics").json()["user_name"] is None


def test_proof_of_the_whole_path_refuses_a_pipeline_that_has_no_such_path(make: Callable[..., Stack]) -> None:
    with pytest.raises(CannotStart, match="smoke needs one with"):
        make(small("without-profiles"), whole=True).start()
