"""The runtime's small parts: the snapshot's notification, the watchdog, crash points, log lines."""

import json
import logging
import threading

import pytest
from clickstream_local.testing.faulty_pod import Injected
from clickstream_processor.directory import Phase, Role
from clickstream_processor.faults import RULES, Faults
from clickstream_processor.kafka import watchdog
from clickstream_processor.kafka.watchdog import Watchdog
from clickstream_processor.logs import OnceInAWhile
from clickstream_processor.restoring.restores.outcomes import Progress
from clickstream_processor.restoring.restores.restore import Goal
from clickstream_processor.restoring.snapshot import says_complete
from clickstream_processor.task_id import clicks_task

DONE = {"aggregate_type": "Initial Snapshot", "type": "COMPLETED"}


@pytest.mark.parametrize(
    ("value", "complete"),
    [
        pytest.param(DONE, True, id="plain"),
        pytest.param({"schema": {}, "payload": DONE}, True, id="in an envelope"),
        pytest.param(DONE | {"type": "SKIPPED"}, True, id="completed by an earlier run"),
        pytest.param(DONE | {"type": "IN_PROGRESS"}, False, id="under way"),
        pytest.param(DONE | {"aggregate_type": "Incremental Snapshot"}, False, id="another snapshot"),
        pytest.param([1], False, id="not an object"),
    ],
)
def test_only_a_completed_initial_snapshot_opens_the_gate(value: object, complete: bool) -> None:
    assert says_complete(json.dumps(value).encode()) is complete
    assert not says_complete(b"{")
    assert not says_complete(None)


@pytest.mark.parametrize("role", Role)
def test_standby_with_a_new_goal_does_not_run_before_the_restorer_has_it(role: Role) -> None:
    standby = Progress(1, Phase.RUNNING, None, 123, 0, None, -1)
    assert standby.view(Goal(1, clicks_task(5), Role.STANDBY, epoch=8)).phase is Phase.RUNNING
    view = standby.view(Goal(2, clicks_task(5), role, epoch=9))
    assert (view.role, view.phase, view.epoch, view.as_of_ms) == (role, Phase.RESTORING, 9, 123)


@pytest.mark.parametrize("brokers_answer", [True, False])
def test_a_hung_call_ends_the_process_only_while_brokers_answer(
    brokers_answer: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "GRACE_S", 0.1)
    gave_up, asked = threading.Event(), threading.Event()

    def answer() -> bool:
        asked.set()
        return brokers_answer

    dog = Watchdog(answer, lambda _: gave_up.set())
    dog.start()
    with dog.guard("commit_transaction", 0.0):
        assert dog.in_call()
        assert asked.wait(10)
        assert gave_up.wait(5 if brokers_answer else 1.5) is brokers_answer
    assert not dog.in_call()
    dog.stop()


def test_reader_that_gets_nothing_is_replaced_and_then_ends_the_process() -> None:
    gave_up: list[str] = []
    dog = Watchdog(lambda: True, gave_up.append)
    replaced = 0
    for _ in range(watchdog.GIVE_UP_AFTER - 1):
        replaced += dog.starves("clicks", behind=True, got=False)
        assert not dog.starves("restore", behind=False, got=False)
    assert replaced == 2
    assert not dog.starves("clicks", behind=True, got=True)  # a record came: counted again
    for _ in range(watchdog.GIVE_UP_AFTER - 1):
        replaced += dog.starves("clicks", behind=True, got=False)
        assert not dog.starves("clicks", behind=False, got=False)  # its tasks go, and come again
    assert replaced == 4
    assert gave_up == []
    assert not dog.starves("clicks", behind=True, got=False)
    assert gave_up == ["clicks: nothing is read of logs that have more"]


def test_a_call_within_its_time_disturbs_nobody() -> None:
    dog = Watchdog(lambda: True, lambda _: None)
    with dog.guard("flush", 30.0):
        assert dog.overdue() is None


def test_faults_are_inert_unless_chosen_and_known() -> None:
    assert [rule for rule in RULES if Faults().skips(rule)] == []
    Faults().reach("mid")
    Injected("mid:2").reach("mid")
    assert [rule for rule in RULES if Injected(rule="R4").skips(rule)] == ["R4"]
    with pytest.raises(ValueError, match="must be one of after-begin"):
        Injected("somewhere")
    with pytest.raises(ValueError, match="must be one of R1"):
        Injected(rule="R99")


def test_lines_of_one_kind_pass_once_in_a_while_and_are_counted() -> None:
    seldom = OnceInAWhile(period_s=30)

    def line(text: str, at_s: float) -> logging.LogRecord | None:
        record = logging.LogRecord("kafka", logging.ERROR, "", 0, text, None, None)
        record.created = at_s
        return record if seldom.filter(record) else None

    assert line("FAIL broker 1", 100) is not None
    assert line("FAIL broker 2", 101) is None
    assert line("other", 101) is not None
    later = line("FAIL broker 1", 131)
    assert later is not None
    assert later.getMessage() == "FAIL broker 1 (and 1 like it before)"
