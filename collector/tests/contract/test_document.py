"""The description of both ports is valid OpenAPI 3.1, and names every route that they have, and no other."""

from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import web
from clickstream_collector.bodies.content import TYPES
from clickstream_collector.http import problems
from clickstream_collector.http.admin import Admin
from clickstream_collector.http.app import make_app
from clickstream_collector.http.events import Events
from clickstream_collector.http.openapi import document
from clickstream_collector.http.problems import Problem
from clickstream_collector.http.routes import ERRORS
from clickstream_collector.http.slow_heads import SlowHeads
from clickstream_collector.kafka.delivery import Delivery
from clickstream_collector.sender.keys import WriteKeys
from clickstream_collector.settings import Settings, read_settings
from collector_support.described import Described
from collector_support.running import RunningCollector
from openapi_spec_validator import OpenAPIV31SpecValidator

NO_DELIVERY = cast(Delivery, None)  # nothing is sent


def settings(folder: Path, **more: str) -> Settings:
    given = {"BOOTSTRAP_SERVERS": "x", "PIPELINE_ID": "a.b", "KEYS_FILE": str(folder / "keys"), **more}
    return read_settings({f"CLICKSTREAM_COLLECTOR_{name}": value for name, value in given.items()})


def routes_of(*apps: web.Application) -> set[tuple[str, str]]:
    """Return method and path of every route."""
    found = [route for app in apps for route in app.router.routes()]
    return {(route.method, route.resource.canonical) for route in found if route.resource is not None}


@pytest.mark.parametrize("is_open", [False, True])
def test_it_is_valid_openapi(is_open: bool) -> None:
    described = document(8080, 8081, is_open=is_open)
    OpenAPIV31SpecValidator(cast(Any, described)).validate()
    assert described["openapi"].startswith("3.1.")
    assert described["info"]["version"] == "1.0.0"


def test_it_names_every_route_and_no_other(tmp_path: Path) -> None:
    given = settings(tmp_path)
    keys = WriteKeys(given.keys_file)
    events = make_app(Events(given, keys, NO_DELIVERY), SlowHeads(), 1_024)
    admin = Admin(given, keys, NO_DELIVERY).app()
    assert Described(document(1, 2, is_open=False)).operations == routes_of(events, admin)


def test_every_problem_that_the_code_names_is_in_the_table() -> None:
    made: list[Problem] = [
        problems.malformed("x"), problems.no_key(), problems.wrong_origin(), problems.too_large("x"),
        problems.too_slow(1), problems.unknown_encoding("x"), problems.too_many(1, 429), problems.stopping(),
    ]  # fmt: skip
    kinds = {(each.status, each.kind) for each in ERRORS}
    assert {(each.status, each.kind) for each in made} <= kinds
    assert {kind for _, kind in kinds} - {each.kind for each in made} == {
        "not-found", "method-not-allowed", "kafka-away", "keys-unreadable", "overloaded",
    }  # fmt: skip


def test_without_keys_nobody_is_told_to_send_one() -> None:
    for is_open in (False, True):
        operation = document(1, 2, is_open=is_open)["paths"]["/v1/clicks"]["post"]
        assert ("security" in operation) is not is_open
        assert ("401" in operation["responses"]) is not is_open


def test_body_of_every_taken_type_is_described() -> None:
    operation = document(1, 2, is_open=False)["paths"]["/v1/clicks"]["post"]
    assert set(operation["requestBody"]["content"]) == set(TYPES) - {""}


def test_it_is_on_the_admin_port_only(collector: RunningCollector) -> None:
    answered = collector.ask("/openapi.json", port=collector.admin_port)
    assert (answered.status, answered.headers["Content-Type"]) == (200, "application/json")
    assert answered.json == document(collector.port, collector.admin_port, is_open=False)
    assert collector.ask("/openapi.json").status == 404
