"""The name of a task, written and read."""

import pytest
from clickstream_processor.metrics import label_of
from clickstream_processor.task_id import TaskId, clicks_task, task_of


def test_what_is_written_is_read_again() -> None:
    assert str(clicks_task(3)) == "clicks-3"
    assert TaskId.parse("clicks-3") == clicks_task(3)
    assert TaskId.parse("per-page-12") == TaskId("per-page", 12)


@pytest.mark.parametrize("text", ["", "clicks", "clicks-", "-3", "clicks-x", "clicks-\N{SUPERSCRIPT TWO}"])
def test_what_names_no_task_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="names no task"):
        TaskId.parse(text)


def test_a_stage_that_the_program_does_not_have_is_refused() -> None:
    assert task_of("clicks-3") == clicks_task(3)
    assert task_of("metrics-3", {"clicks", "metrics"}) == TaskId("metrics", 3)
    with pytest.raises(ValueError, match="of no stage"):
        task_of("metrics-3")


def test_gauges_have_the_partition_of_clicks_and_the_name_of_all_else() -> None:
    assert label_of(clicks_task(3)) == "3"
    assert label_of(TaskId("metrics", 3)) == "metrics-3"
