"""The work queue: nothing is lost, nothing is worked on twice at once, failures wait."""

import asyncio

import pytest
from clickstream_operator.workqueue.queue import FIRST_BACKOFF_S, LONGEST_BACKOFF_S, KeyedQueue


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> KeyedQueue[str]:
    return KeyedQueue(clock, jitter=lambda: 1.0)


async def test_key_added_twice_is_taken_once(queue: KeyedQueue[str]) -> None:
    queue.add("a")
    queue.add("a")
    assert await queue.take() == "a"
    assert queue.depth == 0


async def test_key_added_while_worked_on_is_taken_again_afterwards(queue: KeyedQueue[str]) -> None:
    queue.add("a")
    await queue.take()
    queue.add("a")
    assert queue.depth == 0
    queue.release("a")
    assert await queue.take() == "a"


async def test_earlier_wish_wins(queue: KeyedQueue[str], clock: Clock) -> None:
    queue.add("a", 60)
    queue.add("a", 5)
    queue.add("a", 30)
    clock.now += 5
    assert await queue.take() == "a"
    queue.release("a")
    clock.now += 100
    assert queue.depth == 0


async def test_delayed_key_is_not_taken_early(queue: KeyedQueue[str], clock: Clock) -> None:
    queue.add("later", 10)
    queue.add("now")
    assert await queue.take() == "now"
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await queue.take()
    clock.now += 10
    assert await queue.take() == "later"


async def test_waiting_worker_wakes_for_a_new_key(queue: KeyedQueue[str]) -> None:
    worker = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    queue.add("a")
    async with asyncio.timeout(20):
        assert await worker == "a"


async def test_backoff_doubles_up_to_its_limit_and_is_forgotten_on_success(queue: KeyedQueue[str]) -> None:
    delays = [queue.retry("a") for _ in range(12)]
    assert delays[:3] == [FIRST_BACKOFF_S, 2 * FIRST_BACKOFF_S, 4 * FIRST_BACKOFF_S]
    assert delays[-1] == LONGEST_BACKOFF_S
    assert queue.failing == 1
    queue.succeeded("a")
    assert queue.retry("a") == FIRST_BACKOFF_S


async def test_server_may_ask_for_a_longer_wait(queue: KeyedQueue[str]) -> None:
    assert queue.retry("a", at_least_s=7) == 7


async def test_news_do_not_shorten_the_wait_the_server_asked_for(
    queue: KeyedQueue[str], clock: Clock
) -> None:
    queue.add("a")
    await queue.take()
    queue.add("a")  # news before the failure
    queue.retry("a", at_least_s=7)
    queue.release("a")
    queue.add("a")  # and after it
    clock.now += 6.9
    assert queue.depth == 0
    clock.now += 0.2
    assert await queue.take() == "a"


async def test_age_is_that_of_the_oldest_wait_or_work(queue: KeyedQueue[str], clock: Clock) -> None:
    queue.add("a")
    clock.now += 3
    assert queue.age_s == 3
    await queue.take()
    assert queue.age_s == 0
    clock.now += 8
    assert queue.age_s == 8


async def test_discarded_key_is_not_taken(queue: KeyedQueue[str]) -> None:
    queue.add("a")
    queue.discard("a")
    queue.add("b")
    assert await queue.take() == "b"
    assert queue.depth == 0
