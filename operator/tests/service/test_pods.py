"""What answers on a pod's port is not always a pod: such an answer is told, and taken for none."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from clickstream_operator.reconciling.pods import Pods
from operator_support.example_pipelines import example

ODD = {
    "empty": b"",
    "null": b"null",
    "a list": b"[]",
    "text": b"<html>",
    "not UTF-8": b"\xff\xfe",
    "a task that is a number": b'{"tasks": {"clicks-0": 5}}',
    "a lag that is text": b'{"tasks": {"clicks-0": {"lag_ms": "soon"}}}',
    "a lag without end": b'{"tasks": {"clicks-0": {"lag_ms": 1e400}}}',
    "a search that is a number": b'{"search": 5}',
    "a finding that is a number": b'{"topic_findings": [3]}',
    "longer than any status": b'{"detail": "' + b"x" * (5 << 20) + b'"}',
    "nested": b"[" * 100_000 + b"]" * 100_000,
}


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """Give a server whose answers the path chooses."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=ODD.get(request.match_info["what"], b"{}"), content_type="application/json")

    app = web.Application()
    app.router.add_get("/{what}/status", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}"
    await runner.cleanup()


@pytest.mark.parametrize("what", ODD)
async def test_answer_that_is_no_status_is_told_and_stops_nothing(
    what: str, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    pods = Pods(f"{url}/{what}")
    try:
        assert await pods.states(example("storefront"), "key", 2) == {}
    finally:
        await pods.close()
    assert f"{url}/{what}/status: an answer that is no status" in caplog.text


async def test_answer_without_any_field_is_a_pod_that_holds_nothing(url: str) -> None:
    pods = Pods(f"{url}/nothing")
    try:
        states = await pods.states(example("storefront"), "key", 1)
    finally:
        await pods.close()
    assert (states[0].tasks, states[0].index_ready) == ({}, False)
