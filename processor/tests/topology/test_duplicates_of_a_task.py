"""A clicks task with dedup, on a store of its own: which clicks go on, what other pods know."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from clickstream_processor.state.store import TaskStore
from clickstream_processor.topology import keys
from processor_support.lines.dedup_task import WITHIN, Task
from processor_support.lines.sample_line import T0, profile, record


@pytest.fixture
def task(tmp_path: Path) -> Iterator[Task]:
    task = Task(tmp_path / "store")
    task.line.table([profile("alice"), profile("bob")])
    task.line.state.commit_profiles()
    yield task
    task.store.close()


def test_a_click_that_comes_again_goes_nowhere_and_is_told(task: Task) -> None:
    for name, user in (("x", "alice"), ("x", "alice"), ("y", "alice"), ("x", "bob"), (None, "bob")):
        task.click(name, user)
    task.click(None, "bob")
    task.commit()
    assert task.enriched() == [0, 2, 3, 4, 5]
    counters = task.line.counters
    assert (counters.clicks, counters.enriched, counters.counted, counters.duplicates) == (6, 5, 5, 1)
    assert [body["clicks"] for body, _, _ in task.out.counts] == [2, 3]


def test_it_holds_through_a_restart_for_as_long_as_it_says(task: Task) -> None:
    task.click("x")
    task.commit()
    task.start()
    task.click("x", late_ms=WITHIN)
    task.click("x", late_ms=WITHIN + 1)
    assert task.enriched() == [2]


def test_what_was_not_committed_is_not_remembered(task: Task) -> None:
    task.click("x")
    task.line.flush()
    task.line.state.rollback()
    task.start()
    task.click("x")
    assert task.enriched() == [1]


def test_a_dead_letter_may_come_again(task: Task) -> None:
    task.click("x", "carol")
    task.line.table([profile("carol")])
    task.click("x", "carol")
    task.click("x", "carol")
    assert task.out.dead[0][1] == "unmatched"
    assert task.enriched() == [1]


def test_a_click_that_fails_its_transform_may_come_again(task: Task) -> None:
    task.configure({"dedup": {}, "transform": {"set": {"price": "click.amount * 2"}}})
    task.start()
    task.click("x", amount="much")
    task.click("x", amount=2)
    task.click("x", amount=2)
    assert [reason for _, reason, _ in task.out.dead] == ["expression-error"]
    assert task.enriched() == [1]


def test_an_id_counts_also_where_another_field_is_flawed(task: Task) -> None:
    for _ in range(2):
        flawed = (
            b'{"user_id":"alice","page_url":"/","action":"a","timestamp":%d,"x":"\\ud800","message_id":"x"}'
        )
        task.line.records([record(b"alice", flawed % T0, task.offset, T0)])
        task.offset += 1
    assert task.enriched() == [0]
    for _ in range(2):  # an id that nobody can read is none: the click is not lost for it
        flawed = b'{"user_id":"alice","page_url":"/","action":"a","timestamp":%d,"message_id":"\\ud800"}'
        task.line.records([record(b"alice", flawed % T0, task.offset, T0)])
        task.offset += 1
    assert task.enriched() == [0, 2, 3]


def test_another_pod_knows_the_ids_from_the_changelog(task: Task, tmp_path: Path) -> None:
    for number in range(250):
        task.click(f"id-{number}")
        if number % 40 == 39:
            task.commit()
    task.commit()
    other = Task(tmp_path / "other")
    other.stage.applier(other.store, 0).changelog(
        [record(key, value, offset) for offset, (key, value) in enumerate(task.changelog)]
    )
    assert list(other.store.scan(*keys.SEEN_RANGE)) == list(task.store.scan(*keys.SEEN_RANGE))
    other.start()
    other.line.table([profile("alice")])
    for number in range(251):
        other.click(f"id-{number}")
    assert other.enriched() == [250]
    other.store.close()


def test_old_ids_leave_the_store_of_an_owner_and_of_a_standby(task: Task, tmp_path: Path) -> None:
    standby = TaskStore.open(tmp_path / "standby", task.memory)
    applier = task.stage.applier(standby, 0)
    for hour in range(8):
        told = len(task.changelog)
        task.click("x", late_ms=hour * (WITHIN + 1))
        task.click("y", "bob", late_ms=hour * (WITHIN + 1))
        task.commit()
        new = enumerate(task.changelog[told:], told)
        applier.changelog([record(key, value, offset) for offset, (key, value) in new])
    assert task.ids() == 6
    assert len(list(standby.scan(*keys.SEEN_RANGE))) == 6
    standby.close()


def test_without_dedup_the_ids_go(task: Task) -> None:
    task.click("x")
    task.commit()
    assert task.ids() == 1
    task.configure({})
    task.start()
    task.click("x")
    task.commit()
    assert (task.enriched(), task.ids()) == ([1], 0)
