"""Whose position a record of the positions topic is, and in which of two formats it may be written."""

import json
from pathlib import Path

import pytest
from clickstream_processor.errors import MalformedRecord, StateTooNew
from clickstream_processor.restoring.leftovers import KEEP_S, Leftovers
from clickstream_processor.restoring.positions import newest_of, position_in
from clickstream_processor.state.checkpoint import Position
from clickstream_processor.task_id import TaskId, clicks_task
from clickstream_processor.topology.interfaces import Message
from processor_support.lines.sample_line import record

MINE, OTHERS = clicks_task(3), TaskId("metrics", 3)
# As every version before wrote it, docs/reference/protocol.md.
FORMAT_1 = (
    b'{"version": 1, "clicks": 1200345, "stream_ms": 1690000123456, "closed_ms": 1690000000000, '
    b'"at_ms": 1690000123999, "ordinal": 1, "epoch": 41, "attempts": 2, "record_ms": 1690000120000, '
    b'"ahead_ms": 7}'
)
FORMAT_2 = FORMAT_1.replace(
    b'"version": 1, "clicks": 1200345', b'"version": 2, "inputs": {"user-clicks": 1200345}'
)
POSITION = Position(1200345, 1690000123456, 1690000000000, 1690000123999, 1, 41, 1, 2, 1690000120000, 7)


def log(*records: tuple[TaskId | str, bytes | None]) -> list[Message]:
    """Return records of the positions topic, from offset 100 on."""
    return [record(str(key).encode(), value, 100 + at) for at, (key, value) in enumerate(records)]


def at(offset: int) -> bytes:
    return Position(offset).encode()


def test_a_task_finds_its_newest_position_among_those_of_other_stages() -> None:
    records = log((MINE, at(1)), (OTHERS, at(10)), (MINE, at(2)), (OTHERS, at(11)), ("of-no-stage", b"{}"))
    assert [position_in(r, "") for r in (newest_of(MINE, records), newest_of(OTHERS, records)) if r] == [
        Position(2),
        Position(11),
    ]


def test_a_log_without_a_record_of_the_task_says_nothing_of_it() -> None:
    assert newest_of(MINE, log((OTHERS, at(10)), ("clicks-33", at(4)), ("3", at(5)))) is None


def test_what_was_read_before_is_passed_over() -> None:
    records = log((MINE, at(1)), (MINE, at(2)), (OTHERS, at(10)))
    assert newest_of(MINE, records, start=102) is None
    assert newest_of(MINE, records, start=101) is records[1]


def test_a_tombstone_takes_the_position_back() -> None:
    record = newest_of(MINE, log((MINE, at(1)), (MINE, None)))
    assert record is not None
    assert position_in(record, "user-clicks") is None


@pytest.mark.parametrize("value", [FORMAT_1, FORMAT_2], ids=["offset of the one input", "offsets by input"])
def test_both_formats_of_a_position_say_the_same(value: bytes) -> None:
    assert Position.decode(value, "user-clicks") == POSITION


def test_a_position_is_written_so_that_the_version_before_reads_it() -> None:
    before = json.loads(FORMAT_1)
    written = json.loads(POSITION.encode())
    assert {name: written[name] for name in before} == before
    assert written.keys() - before.keys() == {"metrics_ms", "lag_ms", "sessions_ms"}  # which it passes over


def test_a_position_in_another_input_is_not_taken_for_one_in_this() -> None:
    with pytest.raises(MalformedRecord, match="in user-clicks, not in shop-arrivals"):
        Position.decode(FORMAT_2, "shop-arrivals")


def test_a_format_that_nobody_knows_yet_is_refused() -> None:
    with pytest.raises(StateTooNew, match="version 3; this one knows 2"):
        Position.decode(b'{"version": 3, "inputs": []}', "user-clicks")


def test_a_state_of_another_stage_is_not_taken_for_the_one_of_its_partition(tmp_path: Path) -> None:
    for name in ("clicks-3", "metrics-3", "lost+found"):
        (tmp_path / name).mkdir()
    leftovers = Leftovers(tmp_path)
    assert leftovers.due({MINE}, 0.0) == []
    assert leftovers.due({MINE}, KEEP_S) == [OTHERS]
    leftovers.delete(OTHERS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clicks-3", "lost+found"]
