"""The command `erase` on a whole pipeline that runs here, with its search engine and its sink connector."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from clickstream_local.demo.demo import RUN_FILE
from clickstream_local.load.profiles import make_profiles
from clickstream_local.machine.ports import HOST, free_ports
from clickstream_local.machine.web import request
from clickstream_local.pipeline.options import REPOSITORY, Options, Ports
from clickstream_local.pipeline.progress import Progress
from clickstream_local.pipeline.stack import Stack
from clickstream_local.testing.eventually import eventually
from confluent_kafka import Producer

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(1800)]

USER, OTHER = (profile.user_id for profile in make_profiles(2))
CLICKS, INDEX = 5, "enriched-clicks-*"


@pytest.fixture
def folder(parts_folder: Path) -> Path:
    folder = parts_folder / "erase"
    folder.mkdir()
    return folder


@pytest.fixture
def stack(folder: Path) -> Iterator[Stack]:
    """Give a storefront that runs where the command looks for a demo."""
    document = yaml.safe_load((REPOSITORY / "examples" / "storefront.yaml").read_text())
    document["spec"].setdefault("topics", {})["partitions"] = 2
    file = folder / "pipeline.yaml"
    file.write_text(yaml.safe_dump(document))
    names = [each.name for each in fields(Ports)]
    ports = Ports(**dict(zip(names, free_ports(len(names)), strict=True)))
    data = folder / "demo"
    data.mkdir()
    rates = {"rate": 1.0, "profiles": 200, "changes": 1.0, "seed": 1}
    options = Options(data=data, pipeline=file, engine=None, pods=1, ports=ports, **rates)  # type: ignore[arg-type]
    one = Stack(options, Progress())
    try:
        one.start()
        (data / RUN_FILE).write_text(json.dumps({"pid": os.getpid()}))
        yield one
    finally:
        one.stop()


def send(stack: Stack, *users: str) -> None:
    producer = Producer(
        {
            "bootstrap.servers": stack.kafka.bootstrap,
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
        }
    )
    now_ms = int(time.time() * 1_000)
    for number in range(CLICKS):
        for user in users:
            click = {"user_id": user, "page_url": f"/{number}", "action": "view", "timestamp": now_ms}
            producer.produce(stack.pipeline.spec.topics.clicks, json.dumps(click), user)
    assert producer.flush(60) == 0


def documents(stack: Stack, user: str) -> int:
    """Return how many documents of a user the index has."""
    url = f"http://{HOST}:{stack.options.ports.search}/{INDEX}"
    request("POST", f"{url}/_refresh", timeout_s=60)
    answer = request("POST", f"{url}/_count", {"query": {"match": {"user_id": user}}}, timeout_s=60)
    return int(answer.json()["count"]) if answer.ok else 0


def test_the_index_has_the_users_documents_before_and_none_after(stack: Stack, folder: Path) -> None:
    send(stack, USER, OTHER)
    both = (CLICKS, CLICKS)
    eventually(
        lambda: (documents(stack, USER), documents(stack, OTHER)) == both, "documents of both", timeout_s=300
    )
    example = yaml.safe_load((REPOSITORY / "examples" / "erasure.yaml").read_text())
    example["spec"]["users"] = [USER]
    file = folder / "erasure.yaml"
    file.write_text(yaml.safe_dump(example))
    command = [sys.executable, "-m", "clickstream_local", "erase", str(file), "--data", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    receipt = json.loads(done.stdout.splitlines()[-1])
    said = {place["kind"]: place for place in receipt["places"]}
    assert (receipt["phase"], receipt["message"]) == ("done", "")
    assert (said["index"]["found"], said["index"]["left"]) == (CLICKS, 0)
    assert (said["pods"]["found"], said["pods"]["left"]) == (1, 0)
    assert USER not in done.stdout
    assert (documents(stack, USER), documents(stack, OTHER)) == (0, CLICKS)

    # What comes afterwards is indexed as before.
    send(stack, USER)
    eventually(lambda: documents(stack, USER) == CLICKS, "documents that are new", timeout_s=300)
