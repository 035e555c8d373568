"""The checker of the collector's fault suite finds an event that is lost, invented, changed or doubled."""

import pytest
from clickstream_chaos.collecting.checker import Event, Sent, verdict


def event(number: int, user: str = "user-1") -> Event:
    return Event(f"0-{number}", user, f"/page/{number}")


def sent(*answered: bool, attempts: int = 1) -> dict[str, Sent]:
    return {f"0-{n}": Sent(event(n), attempts, each) for n, each in enumerate(answered)}


def test_all_that_was_answered_is_there() -> None:
    found = verdict(sent(True, True), [event(0), event(1)])
    assert found.is_well()
    assert found.line() == {"lost": 0, "doubled": 0, "invented": 0, "repeated": 0, "answered": 2}


def test_an_answered_event_that_is_not_in_the_topic_is_lost() -> None:
    found = verdict(sent(True, True), [event(0)])
    assert (found.lost, found.examples) == (1, ("lost 0-1",))
    assert not found.is_well()


def test_an_event_without_an_answer_may_be_there_or_not() -> None:
    assert verdict(sent(False), []).is_well()
    assert verdict(sent(False), [event(0)]).is_well()


@pytest.mark.parametrize(
    "record",
    [event(7), Event("", "user-1", "/page/0"), event(0, "user-2"), Event("0-0", "user-1", "/page/1")],
    ids=["an id that nobody sent", "no id", "another user", "another page"],
)
def test_a_record_that_nobody_sent_so_is_invented(record: Event) -> None:
    found = verdict(sent(True), [event(0), record])
    assert found.invented == 1
    assert not found.is_well()


def test_a_changed_event_does_not_stand_for_the_one_that_was_answered() -> None:
    found = verdict(sent(True), [event(0, "user-2")])
    assert (found.lost, found.invented) == (1, 1)


def test_a_second_record_of_an_event_that_was_sent_again_is_repeated() -> None:
    found = verdict(sent(True, attempts=2), [event(0), event(0)])
    assert (found.repeated, found.doubled) == (1, 0)
    assert found.is_well()


def test_a_second_record_of_an_event_that_was_sent_once_is_doubled() -> None:
    found = verdict(sent(True), [event(0), event(0)])
    assert found.doubled == 1
    assert not found.is_well()


def test_an_id_under_two_users_is_doubled_for_dropping_by_user_leaves_both() -> None:
    found = verdict(sent(True, attempts=2), [event(0), event(0, "user-2")])
    assert found.doubled == 1
