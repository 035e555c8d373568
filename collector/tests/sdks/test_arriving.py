"""What real SDKs send arrives as clicks: all of it, once, with the right user, page, action, time and ids."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.eventually import eventually
from collector_support.running import Record
from collector_support.sdk_checks import LOADED, has_page, has_properties, has_time, wrong
from collector_support.sdk_runs import Driven, Run
from collector_support.sdk_table import SDKS, Sdk


@pytest.fixture(scope="module")
def run(kafka: Kafka, parts_folder: Path) -> Iterator[Run]:
    with Run(kafka, parts_folder / "sdks", SDKS) as started:
        for each in started.driven:
            each.call_all()
        with contextlib.suppress(AssertionError):  # what is missing, the tests of its SDK say
            eventually(started.has_arrived, "all events", every_s=1)
        yield started


@pytest.fixture(scope="module")
def clicks(run: Run) -> dict[str, list[Any]]:
    return run.clicks()


@pytest.fixture(scope="module")
def pairs(run: Run) -> list[Record]:
    return run.collector.read(run.collector.identities)


@pytest.fixture(params=SDKS, ids=str)
def driven(request: pytest.FixtureRequest, run: Run) -> Driven:
    sdk: Sdk = request.param
    return next(each for each in run.driven if each.sdk is sdk)


def test_each_call_is_one_click_of_its_user(driven: Driven, clicks: dict[str, list[Any]]) -> None:
    found = clicks[driven.user]
    assert sorted(click["action"] for click in found) == sorted(driven.sdk.actions)
    assert {click["user_id"] for click in found} == {driven.user}
    assert {click["source"] for click in found} == {driven.sdk.source}
    assert wrong(driven, found) == []


def test_nothing_else_arrives(run: Run, clicks: dict[str, list[Any]]) -> None:
    users = {each.user for each in run.driven}
    others = [
        (user, click["source"], click["action"]) for user in set(clicks) - users for click in clicks[user]
    ]
    assert [(source, action) for _, source, action in others] == [("posthog", LOADED)]
    assert others[0][0].startswith("anon:")
    assert run.collector.read(run.collector.letters) == []


def test_ids_are_those_of_the_sdk(driven: Driven, clicks: dict[str, list[Any]]) -> None:
    found = clicks[driven.user]
    ids = [click.get("message_id") for click in found]
    assert len(set(ids)) == (len(found) if driven.sdk.has_id else 1)
    assert (None in ids) is not driven.sdk.has_id
    assert all(("session_id" in click) is driven.sdk.session for click in found)


def test_page_is_that_of_the_call(driven: Driven, clicks: dict[str, list[Any]]) -> None:
    assert [click for click in clicks[driven.user] if not has_page(driven, click)] == []


def test_properties_are_those_of_the_call(driven: Driven, clicks: dict[str, list[Any]]) -> None:
    assert [click for click in clicks[driven.user] if not has_properties(click)] == []


def test_time_is_that_of_the_call(driven: Driven, clicks: dict[str, list[Any]]) -> None:
    found = clicks[driven.user]
    assert [click for click in found if not has_time(driven, click)] == []
    assert all(("sent_at" in click) is driven.sdk.has_sent_at for click in found)


def test_identify_ties_the_anonymous_id_to_the_user(driven: Driven, pairs: list[Record]) -> None:
    found = [pair.value["previous_id"] for pair in pairs if pair.value["user_id"] == driven.user]
    assert len(found) == driven.sdk.pair
    assert all(previous.startswith("anon:") for previous in found)
