"""What the controllers of the leader are told."""

from collections.abc import Iterator
from typing import Any

import pytest
from clickstream_operator.kube.store import Key
from clickstream_operator.manifests.names import seen_from_afar
from clickstream_operator.observed import Observed
from clickstream_operator.replica.controllers import Controllers
from clickstream_operator.spec.clickpipeline import ClickPipeline, parse
from operator_support.documents import changed

NOWHERE = {"kafka.bootstrapServers": "127.0.0.1:1"}  # clients are made all the same


@pytest.mark.parametrize(
    ("servers", "seen"),
    [
        ("events-kafka-bootstrap:9092", "events-kafka-bootstrap.shop.svc:9092"),
        ("a:9093,b.kafka:9093", "a.shop.svc:9093,b.kafka:9093"),
        ("broker.example.com:9094", "broker.example.com:9094"),
        ("127.0.0.1:9092", "127.0.0.1:9092"),
        ("[::1]:9092", "[::1]:9092"),
        ("localhost:9092", "localhost:9092"),
    ],
    ids=["a Service", "a list", "a domain", "an address", "an IPv6 address", "this machine"],
)
def test_a_bare_name_of_a_broker_is_the_pipelines_own_service(servers: str, seen: str) -> None:
    assert seen_from_afar(servers, "shop") == seen


@pytest.fixture
def controllers() -> Iterator[Controllers]:
    controllers = Controllers()
    yield controllers
    controllers.stop()


def pipeline(name: str, **changes: Any) -> ClickPipeline:
    document = changed(NOWHERE | {path.replace("__", "."): value for path, value in changes.items()})
    return parse(document | {"metadata": {"name": name, "namespace": "shop"}})


def secured(name: str, **user: str) -> ClickPipeline:
    return pipeline(name, kafka__authentication={"type": "scram-sha-512", **user})


def with_passwords(**passwords: str) -> Observed:
    return Observed(kafka_secrets={(user, "password"): value for user, value in passwords.items()})


def test_pipelines_of_one_cluster_share_clients_that_go_with_the_last(controllers: Controllers) -> None:
    for name in ("one", "two", "three"):
        controllers.seen(pipeline(name), Observed())
    assert controllers.sets == 1
    controllers.seen(pipeline("elsewhere", kafka__bootstrapServers="127.0.0.1:2"), Observed())
    assert controllers.sets == 2
    for name in ("one", "two"):
        controllers.forget(Key("shop", name))
    assert controllers.sets == 2
    controllers.forget(Key("shop", "three"))
    assert controllers.sets == 1


def test_users_do_not_share_clients_unless_one_is_named_for_the_controller(controllers: Controllers) -> None:
    for name in ("one", "two"):
        controllers.seen(secured(name, user=name), with_passwords(one="x", two="y"))
    assert controllers.sets == 2
    for name in ("one", "two"):
        controllers.seen(secured(name, user=name, controllerUser="operator"), with_passwords(operator="z"))
    assert controllers.sets == 1


def test_changed_password_is_another_set_of_clients(controllers: Controllers) -> None:
    controllers.seen(secured("one", user="one"), with_passwords(one="x"))
    (before,) = controllers._sets.values()
    controllers.seen(secured("one", user="one"), with_passwords(one="changed"))
    (after,) = controllers._sets.values()
    assert after is not before
    assert not before.is_alive()
    assert after.is_alive()


def test_missing_password_is_said(controllers: Controllers) -> None:
    state = controllers.seen(secured("one", user="one"), Observed())
    assert state.problem == "a secret cannot be read: Secret one has no key password"
