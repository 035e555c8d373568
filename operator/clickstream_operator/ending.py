"""Ends the process when one of its parts ends: half an operator looks alive and does nothing."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

log = logging.getLogger(__name__)

AGAIN_S = 1.0


def start(part: Coroutine[Any, Any, None], name: str, *, may_end: bool = False) -> "asyncio.Task[None]":
    """Run a part. An error in it ends the process; so does its end, unless it `may_end`."""
    task = asyncio.create_task(part, name=name)
    task.add_done_callback(_ended_well if may_end else _ended)
    return task


async def stop(*tasks: "asyncio.Task[None]") -> None:
    """Cancel parts and wait for their ends.

    What a part waits for can swallow a cancellation, as `asyncio.wait_for` does up to Python 3.11. A part
    that goes on would keep the process and its lease for ever, so it is told again.
    """
    for task in tasks:
        task.remove_done_callback(_ended_well)
        task.remove_done_callback(_ended)
    going_on = set(tasks)
    while going_on:
        for task in going_on:
            task.cancel()
        _, going_on = await asyncio.wait(going_on, timeout=AGAIN_S)


def _ended_well(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and task.exception() is not None:
        _ended(task)


def _ended(task: "asyncio.Task[None]") -> None:
    if task.cancelled():
        return
    error = task.exception()
    log.critical("%s ended: %r", task.get_name(), error, exc_info=error)
    raise SystemExit(1)
