"""Long reads take turns on the loop: few at once, the others wait a bounded time, short ones never."""

import asyncio

import pytest
from clickstream_processor.query.http.problems import Problem
from clickstream_processor.query.users.turns import TurnLimits, Turns
from clickstream_processor.state.reads import Steps

PATIENT_S = 60.0


class Long:
    """A read that goes on until it is let go, or told to end its page."""

    def __init__(self) -> None:
        self.steps_taken = 0
        self.may_end = False

    def __call__(self) -> Steps[str]:
        while not self.may_end:
            self.steps_taken += 1
            if (yield):
                return "page ended"
        return "whole"


def short() -> Steps[str]:
    """Read in one step."""
    yield from ()
    return "short"


async def until_it_reads(read: Long) -> None:
    """Wait until a read is in its turn: it has taken more than the step that all may take."""
    async with asyncio.timeout(PATIENT_S):
        while read.steps_taken < 2:
            await asyncio.sleep(0)


async def test_few_long_reads_run_at_once_and_the_next_begins_when_one_ends() -> None:
    turns = Turns(TurnLimits(at_once=2, wait_s=PATIENT_S, read_s=PATIENT_S))
    reads = [Long() for _ in range(3)]
    tasks = [asyncio.create_task(turns.read(read())) for read in reads]
    await until_it_reads(reads[0])
    await until_it_reads(reads[1])
    assert reads[2].steps_taken == 1
    reads[0].may_end = True
    await until_it_reads(reads[2])
    assert await tasks[0] == "whole"
    for read in reads:
        read.may_end = True
    assert await asyncio.gather(*tasks) == ["whole"] * 3


async def test_read_that_finds_no_turn_in_time_is_refused_and_short_ones_are_not() -> None:
    turns = Turns(TurnLimits(at_once=1, wait_s=0.01, read_s=PATIENT_S))
    read = Long()
    reading = asyncio.create_task(turns.read(read()))
    await until_it_reads(read)
    with pytest.raises(Problem) as refused:
        await turns.read(Long()())
    assert (refused.value.status, refused.value.kind) == (503, "too-many-reads")
    assert refused.value.headers["Retry-After"] == "1"
    assert await turns.read(short()) == "short"
    read.may_end = True
    assert await reading == "whole"


async def test_page_ends_when_it_has_taken_its_time() -> None:
    turns = Turns(TurnLimits(at_once=1, wait_s=PATIENT_S, read_s=0.0))
    assert await turns.read(Long()()) == "page ended"
    assert await turns.read(Long()()) == "page ended"  # and its turn is free again


async def test_turn_is_free_again_after_a_read_that_failed_or_was_given_up() -> None:
    turns = Turns(TurnLimits(at_once=1, wait_s=PATIENT_S, read_s=PATIENT_S))

    def failing() -> Steps[str]:
        yield
        raise ValueError("a damaged chunk")

    with pytest.raises(ValueError, match="a damaged chunk"):
        await turns.read(failing())
    read = Long()
    reading = asyncio.create_task(turns.read(read()))
    await until_it_reads(read)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    other = Long()
    again = asyncio.create_task(turns.read(other()))
    await until_it_reads(other)
    other.may_end = True
    assert await again == "whole"
