"""Changes of a store, for those who follow them."""

from clickstream_processor.state.changes import Change, Changes

A, B = b"va", b"vb"


def write(changes: Changes, *pairs: Change) -> None:
    """Do as a store does."""
    with changes.writing():
        changes.add(pairs)


def test_changes_come_in_order_from_where_one_follows_and_only_those_of_the_prefix() -> None:
    changes = Changes(b"v")
    write(changes, (A, b"0"))
    number = changes.follow()
    write(changes, (A, b"1"), (b"k", b"2"), (B, None))
    write(changes, (A, b"3"))
    assert changes.since(number, 10) == [(A, b"1"), (B, None), (A, b"3")]
    assert changes.since(number, 2) == [(A, b"1"), (B, None)]
    assert changes.since(number + 2, 2) == [(A, b"3")]
    assert changes.since(number + 3, 2) == []


def test_changes_that_nobody_asks_for_are_forgotten_and_kept_again_from_where_one_follows() -> None:
    changes = Changes(b"v", most=3)
    number = changes.follow()
    write(changes, *[(A, b"1")] * 3)
    assert changes.since(number, 10) == [(A, b"1")] * 3
    write(changes, *[(A, b"2")] * 4)
    assert changes.since(number + 3, 10) is None
    write(changes, (A, b"3"))
    later = changes.follow()
    write(changes, (A, b"4"))
    assert changes.since(number + 7, 10) == changes.since(later, 10) == [(A, b"4")]
    assert changes.since(number + 3, 10) is None


def test_who_is_too_far_behind_others_is_told() -> None:
    changes = Changes(b"v", most=3)
    slow = fast = changes.follow()
    for _ in range(7):
        write(changes, (A, b"1"))
        assert changes.since(fast, 10) == [(A, b"1")]
        fast += 1
    assert changes.since(slow, 10) is None
    assert changes.since(fast - 3, 10) == [(A, b"1")] * 3
