"""The controller on real Kafka, without pods: terms, claims, and what it does not do."""

import json
import os
from typing import Any

import pytest
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.eventually import eventually
from clickstream_local.testing.fixtures import Topics
from clickstream_operator.assignment.clients import Clients
from clickstream_operator.assignment.errors import Superseded
from clickstream_operator.assignment.options import ControllerOptions, InvalidOptions, options_from
from confluent_kafka import Producer

pytest_plugins = ["clickstream_local.testing.fixtures"]


class Running:
    """A controller with Kafka clients of its own, or with those of others."""

    def __init__(
        self, options: ControllerOptions, adopt: bool = False, clients: Clients | None = None
    ) -> None:
        self._clients = clients or Clients(options.kafka)
        self._is_shared = clients is not None
        self.handle = self._clients.start(options, adopt)
        self.controller = self.handle.controller

    def end(self) -> BaseException | None:
        """Stop it, or wait for it to have ended by itself, and return its error."""
        self.handle.leave()
        assert self.handle.ended.wait(180)
        if not self._is_shared:
            self._clients.close()
        return self.handle.error

    def ended(self) -> bool:
        return self.handle.ended.is_set()


def document(kafka: Kafka, pipeline_id: str, name: str = "storefront") -> dict[str, Any]:
    return {
        "id": pipeline_id,
        "name": name,
        "namespace": "shop",
        "kafka": {"bootstrapServers": kafka.bootstrap},
        "topics": {"partitions": 2},
        "processors": {"replicas": 2, "standbys": 1, "failoverAfter": "5s"},
        "peers": {"host": "127.0.0.1", "port": 1, "portStep": 0},
    }


@pytest.fixture
def pipeline_id(topics: Topics) -> str:
    name = topics.unique("shop.storefront")
    for purpose in ("assignment", "acks"):
        topics.create(f"{name}-{purpose}", cleanup_policy="compact")
    return name


def no_secret(secret: str, key: str) -> str:
    raise OSError(f"no {secret}/{key}")


def options(kafka: Kafka, pipeline_id: str, name: str = "storefront") -> ControllerOptions:
    return options_from(document(kafka, pipeline_id, name), no_secret)


def test_each_controller_begins_a_higher_term_and_the_earlier_one_ends(
    kafka: Kafka, pipeline_id: str
) -> None:
    first = Running(options(kafka, pipeline_id))
    eventually(lambda: first.controller.snapshot.term == 1)
    second = Running(options(kafka, pipeline_id))
    eventually(first.ended)
    assert isinstance(first.handle.error, Superseded)
    eventually(lambda: second.controller.snapshot.term == 2)
    assert second.end() is None


def test_an_id_of_another_pipeline_is_refused_unless_it_is_adopted(kafka: Kafka, pipeline_id: str) -> None:
    first = Running(options(kafka, pipeline_id))
    eventually(lambda: first.controller.snapshot.term == 1)
    assert first.end() is None
    foreign = Running(options(kafka, pipeline_id, name="other"))
    eventually(foreign.ended)
    assert "belongs to pipeline shop/storefront" in str(foreign.handle.error)
    adopting = Running(options(kafka, pipeline_id, name="other"), adopt=True)
    eventually(lambda: adopting.controller.snapshot.term == 2)
    assert adopting.end() is None


class Pods:
    """Gives the heartbeats of pods that do as they are told, for many pipelines."""

    def __init__(self, kafka: Kafka) -> None:
        self._producer = Producer({"bootstrap.servers": kafka.bootstrap, "enable.idempotence": True})

    def beat(self, pipeline_id: str, ordinal: int = 0) -> None:
        body = {
            "version": 1,
            "ordinal": ordinal,
            "instance": "i",
            "incarnation": 1,
            "at_ms": 0,
            "generation": 0,
            "term": 1,
            "commits": 0,
            "ended": False,
            "tasks": {},
        }
        self._producer.produce(f"{pipeline_id}-acks", json.dumps(body).encode(), f"pod/{ordinal}".encode())
        self._producer.flush(10)


def several(topics: Topics, number: int) -> list[str]:
    names = [topics.unique("shop.many") for _ in range(number)]
    for name in names:
        for purpose in ("assignment", "acks"):
            topics.create(f"{name}-{purpose}", cleanup_policy="compact")
    return names


def threads() -> int:
    return len(os.listdir("/proc/self/task"))


def test_threads_do_not_grow_with_the_pipelines(kafka: Kafka, topics: Topics) -> None:
    ids, before = several(topics, 40), threads()
    with Clients(options(kafka, ids[0]).kafka) as clients:
        running = [Running(options(kafka, name), clients=clients) for name in ids]
        eventually(lambda: all(one.controller.snapshot.term == 1 for one in running))
        # A thread for the reader, 8 for turns, 2 clients, and what few writers are open.
        assert threads() - before < 70
        assert [one.end() for one in running] == [None] * len(ids)
    eventually(lambda: threads() <= before)


def test_pipelines_of_one_set_publish_more_often_than_writers_are_kept(kafka: Kafka, topics: Topics) -> None:
    ids, pods = several(topics, 12), Pods(kafka)
    with Clients(options(kafka, ids[0]).kafka) as clients:
        running = [Running(options(kafka, name), clients=clients) for name in ids]
        eventually(lambda: all(one.controller.snapshot.term == 1 for one in running))

        def assigned_to(ordinals: set[int]) -> bool:
            for name in ids:
                for ordinal in ordinals:
                    pods.beat(name, ordinal)
            shown = [one.controller.snapshot.assignments.values() for one in running]
            return all({o for a in found for o in (a.owner, *a.standbys)} == ordinals for found in shown)

        eventually(lambda: assigned_to({0}))
        eventually(lambda: assigned_to({0, 1}))
        assert {one.controller.snapshot.term for one in running} == {1}
        assert [one.end() for one in running] == [None] * len(ids)


def test_pipeline_without_topics_does_not_disturb_the_others_of_its_set(
    kafka: Kafka, pipeline_id: str, topics: Topics
) -> None:
    with Clients(options(kafka, pipeline_id).kafka) as clients:
        lacking = Running(options(kafka, topics.unique("shop.lacking")), clients=clients)
        eventually(lambda: lacking.controller.snapshot.kafka)
        well = Running(options(kafka, pipeline_id), clients=clients)
        pods = Pods(kafka)

        def assigned() -> bool:
            pods.beat(pipeline_id)
            return bool(well.controller.snapshot.assignments)

        eventually(assigned)
        assert "-assignment is not known" in lacking.controller.snapshot.kafka
        assert "opic" in lacking.controller.snapshot.kafka
        assert lacking.end() is well.end() is None


def test_controller_begun_again_in_its_set_reads_the_topics_again(kafka: Kafka, pipeline_id: str) -> None:
    with Clients(options(kafka, pipeline_id).kafka) as clients:
        first = Running(options(kafka, pipeline_id), clients=clients)
        eventually(lambda: first.controller.snapshot.term == 1)
        second = Running(options(kafka, pipeline_id), clients=clients)
        eventually(lambda: second.controller.snapshot.term == 2)
        assert first.end() in (None, first.handle.error)
        assert second.end() is None


def test_controller_works_again_once_its_broker_was_restarted(kafka: Kafka, pipeline_id: str) -> None:
    running = Running(options(kafka, pipeline_id))
    eventually(lambda: running.controller.snapshot.term == 1)
    kafka.stop()
    eventually(lambda: running.controller.snapshot.kafka)
    kafka.start()
    eventually(lambda: running.controller.snapshot.term == 1 and not running.controller.snapshot.kafka)
    pods = Pods(kafka)

    def assigned() -> bool:
        pods.beat(pipeline_id)
        return bool(running.controller.snapshot.assignments)

    eventually(assigned)
    assert running.end() is None


def test_without_pods_nothing_is_assigned(kafka: Kafka, pipeline_id: str) -> None:
    running = Running(options(kafka, pipeline_id))
    eventually(lambda: running.controller.snapshot.term == 1)
    assert running.controller.snapshot.assignments == {}
    assert running.end() is None


def test_without_kafka_it_says_so_and_waits(topics: Topics) -> None:
    nowhere = {**document_of_nobody(), "id": topics.unique("nowhere")}
    running = Running(options_from(nowhere, no_secret))
    eventually(lambda: running.controller.snapshot.kafka)
    assert running.end() is None


def document_of_nobody() -> dict[str, Any]:
    return {
        "id": "nobody",
        "name": "nobody",
        "namespace": "shop",
        "kafka": {"bootstrapServers": "127.0.0.1:1"},
        "topics": {"partitions": 1},
        "processors": {"replicas": 1, "standbys": 0, "failoverAfter": "5s"},
        "peers": {"host": "127.0.0.1", "port": 1, "portStep": 0},
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"topics": {}}, "no field 'partitions'", id="field missing"),
        pytest.param(
            {"processors": {"replicas": 1, "standbys": 0, "failoverAfter": "soon"}},
            "cannot be used",
            id="no duration",
        ),
        pytest.param(
            {"kafka": {"bootstrapServers": "a:1", "authentication": {"type": "scram-sha-512", "user": "u"}}},
            "a secret cannot be read",
            id="no secret",
        ),
    ],
)
def test_settings_that_cannot_be_used_are_refused_with_a_reason(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidOptions, match=message):
        options_from({**document_of_nobody(), **change}, no_secret)
