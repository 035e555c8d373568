"""An SDK that sends again sends the same: lost answers, refusals and a kill lose and add no event."""

from pathlib import Path

import pytest
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.eventually import eventually
from collector_support import bodies
from collector_support.faulty import AWAY, LOST
from collector_support.running import KEY
from collector_support.sdk_checks import LOADED, wrong
from collector_support.sdk_runs import Run
from collector_support.sdk_table import SDKS, Sdk

WAITED_MS = 1_000  # at least, before a try after a refusal: `Retry-After` of the proxy


def those_that_send_again_after(what: str) -> tuple[Sdk, ...]:
    return tuple(sdk for sdk in SDKS if what in sdk.again_after)


def is_complete(run: Run) -> bool:
    """Tell whether all events are in Kafka; push those that wait for another event."""
    missing = run.missing()
    for each in run.driven:
        if str(each.sdk) in missing:
            each.push()
    return run.has_arrived()


def counts(run: Run, what: str | int) -> dict[str, int]:
    """Return how many requests of each SDK ended so. Kafka has events before their answer is here."""
    return {str(each.sdk): each.proxy.statuses.count(what) for each in run.driven}


def assert_right(run: Run) -> None:
    """Fail unless each call is one event, all its records say what was called, and nothing else arrived."""
    clicks = run.clicks()
    found = {str(each.sdk): wrong(each, clicks[each.user]) for each in run.driven}
    assert {name: what for name, what in found.items() if what} == {}
    others = set(clicks) - {each.user for each in run.driven}
    assert {click["action"] for user in others for click in clicks[user]} <= {LOADED}
    assert run.collector.read(run.collector.letters) == []


def test_lost_answer_loses_and_adds_no_event(kafka: Kafka, tmp_path: Path) -> None:
    sdks = tuple(sdk for sdk in SDKS if sdk.has_id)
    with Run(kafka, tmp_path, sdks, (LOST,)) as run:
        again = [each for each in run.driven if "away" in each.sdk.again_after]
        for each in run.driven:
            each.call_all()

        def is_told_twice() -> bool:
            clicks = run.clicks()
            once = []
            for each in again:
                ids = [click["message_id"] for click in clicks[each.user]]
                if len(ids) == len(set(ids)):
                    once.append(str(each.sdk))
                    each.push()
            assert not once, once
            return True

        eventually(is_told_twice, "a second record of an event", every_s=1)
        # An SDK that does not send again may have had its other events in the same request, or in others.
        eventually(run.has_arrived, "all events", every_s=1)
        eventually(lambda: counts(run, LOST) == dict.fromkeys(map(str, sdks), 1), "each has lost one answer")
        assert_right(run)


@pytest.mark.parametrize(
    ("status", "times"),
    [(503, 1), pytest.param(503, 2, marks=pytest.mark.long), pytest.param(429, 2, marks=pytest.mark.long)],
)
def test_refusal_delays_events_and_loses_none(kafka: Kafka, tmp_path: Path, status: int, times: int) -> None:
    sdks = those_that_send_again_after(str(status))
    with Run(kafka, tmp_path, sdks, (status,) * times) as run:
        for each in run.driven:
            each.call_all()
        eventually(lambda: is_complete(run), "all events", every_s=1)
        assert counts(run, status) == dict.fromkeys(map(str, sdks), times)
        assert_right(run)
        clicks = run.clicks()
        for each in run.driven:
            if each.sdk.keeps_sent_at:  # nobody can tell its wait from a clock that is wrong
                late = max(click["received_at"] - click["sent_at"] for click in clicks[each.user])
                assert late >= WAITED_MS * times, each.sdk


def test_rate_of_a_key_loses_nothing_of_posthogs_page(kafka: Kafka, tmp_path: Path) -> None:
    """It drops what was answered with 429, as other SDKs do not: the collector says 503."""
    sdks = tuple(sdk for sdk in SDKS if str(sdk) == "browser-posthog")
    with Run(kafka, tmp_path, sdks, keys=f"{KEY} rate=5") as run:
        (each,) = run.driven
        others = [{**bodies.own("another"), "message_id": str(number)} for number in range(25)]

        def is_refused() -> bool:
            run.collector.post("/v1/clicks", others)  # the key owes their time
            return any(status != 200 for status in each.proxy.statuses)

        is_refused()
        each.call_all()
        eventually(is_refused, "a refusal")
        eventually(run.has_arrived, "all events", every_s=1)
        eventually(lambda: set(each.proxy.statuses) == {200, 503}, "the answer of success is there, too")
        assert wrong(each, run.clicks()[each.user]) == []


def test_killed_collector_delays_events_and_loses_none(kafka: Kafka, tmp_path: Path) -> None:
    with Run(kafka, tmp_path, those_that_send_again_after("away")) as run:
        run.collector.process.kill()
        for each in run.driven:
            each.call_all()

        def have_all_tried() -> bool:
            waiting = [str(each.sdk) for each in run.driven if AWAY not in each.proxy.statuses]
            assert not waiting, waiting
            return True

        eventually(have_all_tried, "a try while the collector is away")
        run.collector.start()
        eventually(lambda: is_complete(run), "all events", every_s=1)
        assert_right(run)
