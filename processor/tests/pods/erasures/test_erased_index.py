"""Erasures of the documents in a real search engine: all are gone, those too that the sink writes late."""

import json
import time

import pytest
from clickstream_local.machine.web import request
from clickstream_local.parts.search import SearchEngine
from clickstream_local.testing.eventually import eventually
from confluent_kafka import Consumer, TopicPartition
from processor_support.erasures import OTHER, USER, erasure, places, send
from processor_support.runtime_rig import Rig


@pytest.fixture
def indexed(straight: Rig, search_engine: SearchEngine) -> str:
    """Let the rig have an index; return its prefix."""
    index = f"clicks{time.time_ns()}"
    document = json.loads(straight.settings.read_text())
    search = {"engine": search_engine.engine, "url": search_engine.url, "index": index}
    straight.settings.write_text(json.dumps(document | {"sink": {"search": search}}))
    straight.start()
    straight.wait_until_running()
    eventually(lambda: straight.status()["search"]["index_ready"], "the template", timeout_s=180)
    return index


@pytest.mark.real
def test_the_index_has_nothing_of_the_user_and_all_of_the_others(
    straight: Rig, indexed: str, search_engine: SearchEngine
) -> None:
    for day in ("2026.01.01", "2026.01.02"):
        for number in range(30):
            for user in (USER, OTHER):
                put(search_engine, f"{indexed}-{day}", user, number)
    put(search_engine, f"{indexed}-eu-2026.01.01", USER, 1)  # of another pipeline
    seen = places(erasure(straight, dry_run=True).run())["index"]
    assert (seen["found"], seen["left"]) == (60, 60)
    receipt = erasure(straight).run()
    said = places(receipt)["index"]
    assert (said["found"], said["left"]) == (60, 0)
    ours = f"{indexed}-2026*"
    assert (count(search_engine, ours, USER), count(search_engine, ours, OTHER)) == (0, 60)
    assert count(search_engine, f"{indexed}-eu-*", USER) == 1
    assert "has no offsets" in receipt["message"]  # there is no connector here


@pytest.mark.real
@pytest.mark.long
def test_it_waits_for_what_the_sink_has_not_written_yet(
    straight: Rig, indexed: str, search_engine: SearchEngine
) -> None:
    """The offsets are those of the connector's group, as a connector commits them."""
    rig = straight
    send(rig, 5, USER, OTHER)
    commit_for_sink(rig, dict.fromkeys(range(rig.partitions), 0))
    gone = erasure(rig)
    running = gone.start()
    eventually(lambda: "the sink has not written all" in gone.log.read_text(), "it waits", timeout_s=180)
    put(search_engine, f"{indexed}-2026.01.01", USER, 1)
    commit_for_sink(
        rig, {m.partition() or 0: (m.offset() or 0) + 1 for m in rig.committed(rig.names["enriched"])}
    )
    assert gone.end_of(running) == 0, gone.log.read_text()
    assert places(gone.receipt())["index"] | {"found": 1, "left": 0} == places(gone.receipt())["index"]
    assert count(search_engine, f"{indexed}-2026*", USER) == 0


def commit_for_sink(rig: Rig, offsets: dict[int, int]) -> None:
    consumer = Consumer({"bootstrap.servers": rig.kafka.bootstrap, "group.id": "connect-rig-search"})
    places = [TopicPartition(rig.names["enriched"], *each) for each in offsets.items()]
    consumer.commit(offsets=places, asynchronous=False)
    consumer.close()


def put(engine: SearchEngine, index: str, user: str, number: int) -> None:
    body = {"event_id": f"{user}-{number}", "user_id": user, "timestamp": number}
    answer = request("PUT", f"{engine.url}/{index}/_doc/{user}-{number}", body, timeout_s=60)
    assert answer.ok, answer.body


def count(engine: SearchEngine, index: str, user: str) -> int:
    request("POST", f"{engine.url}/{index}/_refresh", timeout_s=60)
    body = {"query": {"match": {"user_id": user}}}
    return int(request("POST", f"{engine.url}/{index}/_count", body, timeout_s=60).json()["count"])
