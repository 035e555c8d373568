"""Pipelines whose profiles come from no table: from a topic that somebody else fills, or from nowhere."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.eventually import eventually
from clickstream_local.testing.fixtures import Topics
from processor_support.runtime_rig import Rig, users

NAMES = users(30)


@pytest.fixture
def rig(request: pytest.FixtureRequest, kafka: Kafka, topics: Topics, tmp_path: Path) -> Iterator[Rig]:
    """A pod of a pipeline with a join of the test's own."""
    rig = Rig(kafka, topics, tmp_path, partitions=4, processing={"join": request.param})
    yield rig
    rig.stop()


def enriched(rig: Rig) -> list[Mapping[str, Any]]:
    """Return the enriched clicks."""
    return [json.loads(message.value() or b"") for message in rig.committed(rig.names["enriched"])]


@pytest.mark.parametrize("rig", [{"type": "none", "waitForSnapshot": False}], indirect=True)
def test_without_a_source_every_click_goes_on_with_nulls(rig: Rig) -> None:
    rig.send_profiles(NAMES)  # of another pipeline, which has the default name for its topic, too
    rig.send_clicks(2_000, NAMES)
    rig.start()
    rig.wait_until_running()
    rig.wait_until_handled()
    reading = rig.assert_exactly_once()
    assert not reading.dead
    clicks = enriched(rig)
    assert clicks
    assert {(each["user_name"], each["country"], each["plan_tier"]) for each in clicks} == {(None,) * 3}
    user = clicks[0]["user_id"]
    answer = eventually(lambda: rig.answer(f"/dashboard/users/{user}/metrics"), "an answer")
    assert answer["user_id"] == user
    assert answer["user_name"] is None
    assert answer["clicks_last_5min"] > 0
    assert rig.metric("clickstream_records_consumed_total", input="profiles") == 0


@pytest.mark.parametrize("rig", [{"type": "none", "waitForSnapshot": False}], indirect=True)
def test_without_a_source_a_killed_pod_goes_on_where_it_was(rig: Rig) -> None:
    rig.send_clicks(2_000, NAMES)
    rig.start()
    eventually(lambda: rig.handled() > 0, "some are handled")
    rig.processes[0].kill()
    eventually(lambda: rig.processes[0].exit_status is not None, "it is dead")
    rig.send_clicks(2_000, NAMES)
    rig.start()
    rig.wait_until_handled()
    rig.assert_exactly_once()


@pytest.mark.parametrize("rig", [{"type": "none", "waitForSnapshot": False}], indirect=True)
def test_without_a_source_there_need_be_no_topic_of_profiles(rig: Rig) -> None:
    rig.delete(rig.names["profiles"])
    rig.send_clicks(100, NAMES)
    rig.start()
    rig.wait_until_running()
    rig.wait_until_handled()
    rig.assert_exactly_once()
    rig.wait_until_running()  # nor is a task stopped for the lack of it


@pytest.mark.parametrize("rig", [{"waitForSnapshot": False, "atLeast": len(NAMES)}], indirect=True)
def test_first_click_waits_until_the_topic_holds_enough_profiles(rig: Rig) -> None:
    rig.send_profiles(NAMES[:-1])
    rig.send_clicks(1_000, NAMES)
    rig.start()
    eventually(lambda: set(rig.phases().values()) == {"waiting"}, "every task waits")
    assert rig.handled() == 0
    eventually(lambda: f"holds {len(NAMES) - 1}" in rig.log(), "it says what it waits for")
    rig.send_profiles(NAMES[-1:])
    rig.wait_until_handled()
    reading = rig.assert_exactly_once()
    assert not reading.dead
    assert {each["country"] for each in enriched(rig)} == {"USA"}


@pytest.mark.parametrize("rig", [{"waitForSnapshot": False, "atLeast": len(NAMES)}], indirect=True)
def test_pod_that_has_begun_waits_for_profiles_no_more(rig: Rig) -> None:
    rig.send_profiles(NAMES)
    rig.send_clicks(1_000, NAMES)
    rig.start()
    rig.wait_until_handled()
    rig.stop()
    document = json.loads(rig.settings.read_text())
    document["processing"]["join"]["atLeast"] = 1_000_000
    rig.settings.write_text(json.dumps(document))
    rig.send_clicks(1_000, NAMES)
    rig.start()
    rig.wait_until_handled()
    rig.assert_exactly_once()
