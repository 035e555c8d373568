"""The name of a task, written and read."""

import pytest
from clickstream_processor.task_id import TaskId, clicks_task


def test_what_is_written_is_read_again() -> None:
    assert str(clicks_task(3)) == "clicks-3"
    assert TaskId.parse("clicks-3") == clicks_task(3)
    assert TaskId.parse("per-page-12") == TaskId("per-page", 12)


@pytest.mark.parametrize("text", ["", "clicks", "clicks-", "-3", "clicks-x", "clicks-\N{SUPERSCRIPT TWO}"])
def test_what_names_no_task_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="names no task"):
        TaskId.parse(text)
