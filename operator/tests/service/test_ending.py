"""Parts end when they are told to, whatever they wait for at that moment."""

import asyncio

import pytest
from clickstream_operator import ending
from clickstream_operator.workqueue.queue import KeyedQueue

WITHIN_S = 20
ROUNDS = 8  # of the event loop, in which a waiting worker is woken and goes on


@pytest.mark.parametrize("rounds", range(ROUNDS))
async def test_worker_that_is_woken_and_stopped_at_once_ends(rounds: int) -> None:
    """The moment between the news and the worker's next step is where a cancellation can be lost."""
    loop = asyncio.get_running_loop()
    queue: KeyedQueue[str] = KeyedQueue(loop.time)
    queue.add("later", 3600)  # so that it waits with a time-out

    async def work() -> None:
        while True:
            queue.release(await queue.take())

    worker = ending.start(work(), "worker")
    for _ in range(ROUNDS):
        await asyncio.sleep(0)
    queue.add("now")
    for _ in range(rounds):
        await asyncio.sleep(0)
    worker.cancel()  # once, where `stop` would tell it again
    await asyncio.wait([worker], timeout=WITHIN_S)
    assert worker.done()


async def test_part_that_swallows_a_cancellation_is_told_again() -> None:
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed > 2:
                    raise

    part = ending.start(stubborn(), "stubborn")
    await asyncio.sleep(0)
    try:
        async with asyncio.timeout(WITHIN_S):
            await ending.stop(part)
        assert part.done()
        assert swallowed == 3
    finally:
        while not part.done():  # or the end of the test would wait for it
            part.cancel()
            await asyncio.sleep(0)
