"""The controller on real Kafka, without pods: terms, claims, and what it does not do."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing import Topics
from clickstream_operator.assignment.controller import Controller, PipelineMismatch
from clickstream_operator.assignment.log import Superseded
from clickstream_operator.assignment.options import ControllerOptions, InvalidSettings, options_from

pytest_plugins = ["clickstream_local.testing"]


class Running:
    """A controller in a thread."""

    def __init__(self, options: ControllerOptions, adopt: bool = False) -> None:
        self.controller = Controller(options, adopt=adopt)
        self.stop = threading.Event()
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.controller.run(self.stop)
        except (Superseded, PipelineMismatch) as error:
            self.error = error

    def end(self) -> Exception | None:
        """Stop it, or wait for it to have ended by itself, and return its error."""
        self.stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive()
        return self.error

    def ended(self) -> bool:
        return not self._thread.is_alive()


def eventually(condition: Callable[[], object], timeout_s: float = 60) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "not in time"
        time.sleep(0.05)


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


def options(kafka: Kafka, pipeline_id: str, name: str = "storefront") -> ControllerOptions:
    return options_from(document(kafka, pipeline_id, name), Path("/nowhere"))


def test_each_controller_begins_a_higher_term_and_the_earlier_one_ends(
    kafka: Kafka, pipeline_id: str
) -> None:
    first = Running(options(kafka, pipeline_id))
    eventually(lambda: first.controller.snapshot.term == 1)
    second = Running(options(kafka, pipeline_id))
    eventually(first.ended)
    assert isinstance(first.error, Superseded)
    eventually(lambda: second.controller.snapshot.term == 2)
    assert second.end() is None


def test_an_id_of_another_pipeline_is_refused_unless_it_is_adopted(kafka: Kafka, pipeline_id: str) -> None:
    first = Running(options(kafka, pipeline_id))
    eventually(lambda: first.controller.snapshot.term == 1)
    assert first.end() is None
    foreign = Running(options(kafka, pipeline_id, name="other"))
    eventually(foreign.ended)
    assert "belongs to pipeline shop/storefront" in str(foreign.error)
    adopting = Running(options(kafka, pipeline_id, name="other"), adopt=True)
    eventually(lambda: adopting.controller.snapshot.term == 2)
    assert adopting.end() is None


def test_without_pods_nothing_is_assigned(kafka: Kafka, pipeline_id: str) -> None:
    running = Running(options(kafka, pipeline_id))
    eventually(lambda: running.controller.snapshot.term == 1)
    assert running.controller.snapshot.assignments == {}
    assert running.end() is None


def test_without_kafka_it_says_so_and_waits(topics: Topics) -> None:
    nowhere = {**document_of_nobody(), "id": topics.unique("nowhere")}
    running = Running(options_from(nowhere, Path("/nowhere")))
    eventually(lambda: running.controller.snapshot.kafka, timeout_s=90)
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
    with pytest.raises(InvalidSettings, match=message):
        options_from({**document_of_nobody(), **change}, Path("/nowhere"))
