"""Hostile connections: idle ones by the thousand, ends that never come, lies about lengths, many at once.

None is answered with a 5xx but 503, others are served meanwhile, and memory stays within bounds.
"""

import gzip
import resource
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import brotli
import psutil
import pytest
from clickstream_local.machine.ports import HOST
from clickstream_local.testing.eventually import eventually
from collector_support import bodies
from collector_support.running import KEY, RunningCollector

IDLE = min(10_000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 500)
MOST_BYTES = 64 << 20  # that all of it may cost: ten thousand connections, or what is decompressed at a time
HEAD = f"POST /v1/clicks HTTP/1.1\r\nHost: x\r\nX-Write-Key: {KEY}\r\n".encode()
CLICK = b'{"user_id":"user-sockets","page_url":"/","action":"view"}'


def dialled(collector: RunningCollector) -> socket.socket:
    return socket.create_connection((HOST, collector.port), timeout=120)


def memory(collector: RunningCollector) -> int:
    """Return the resident bytes of the collector."""
    return int(psutil.Process(collector.process.pid).memory_info().rss)


def status(connection: socket.socket) -> int | None:
    """Return the status of the next answer; None where the connection ends without one."""
    try:
        answer = connection.recv(65_536)
    except ConnectionError:
        return None
    return int(answer.split()[1]) if answer else None


@pytest.fixture(autouse=True)
def _others_are_served(collector: RunningCollector) -> Iterator[None]:
    before = memory(collector)
    yield
    assert collector.post("/v1/clicks", bodies.own("user-after")).status == 200
    assert collector.metric("clickstream_collector_requests_total", code="500") == 0
    eventually(lambda: collector.metric("clickstream_collector_requests_in_flight") == 0)
    assert memory(collector) - before < MOST_BYTES
    assert "Traceback" not in collector.process.log.read_text()


def test_idle_connections_cost_nobody_else_anything(collector: RunningCollector) -> None:
    before = memory(collector)
    with ExitStack() as kept:
        for number in range(IDLE):
            connection = kept.enter_context(dialled(collector))
            if number % 2:
                connection.sendall(b"POST /v1/clicks HTTP/1.1\r\nHost: x\r\n")  # and no more
        assert collector.post("/v1/clicks", bodies.own("user-idle")).status == 200
        assert memory(collector) - before < MOST_BYTES


@pytest.mark.long  # as long as a head may take
def test_connections_without_a_whole_head_are_closed(collector: RunningCollector) -> None:
    with dialled(collector) as idle, dialled(collector) as slow:
        begun_s = time.monotonic()
        slow.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: ")
        idle.settimeout(60)
        assert status(idle) is None
        assert status(slow) is None
        assert time.monotonic() - begun_s < 60


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 100\r\n\r\n" + CLICK,
        b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(CLICK), CLICK),
        b"Transfer-Encoding: chunked\r\n\r\nffff\r\n" + CLICK,
        b"Transfer-Encoding: chunked\r\n\r\n0",
    ],
    ids=["short", "no last chunk", "short chunk", "half an end"],
)
def test_body_that_does_not_end_is_408(collector: RunningCollector, rest: bytes) -> None:
    with dialled(collector) as connection:
        connection.sendall(HEAD + rest)
        assert collector.post("/v1/clicks", bodies.own("user-beside")).status == 200
        assert status(connection) == 408


def test_body_that_never_ends_is_413(collector: RunningCollector) -> None:
    chunk = b"4000\r\n" + b"[" * 0x4000 + b"\r\n"
    with dialled(collector) as connection:
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(4_000):  # 64 MiB, a thousand times what is allowed
                connection.sendall(chunk)
        except ConnectionError:
            return  # closed before it had all of it
        assert status(connection) == 413


def test_what_follows_a_body_that_is_longer_than_it_says_is_no_request(collector: RunningCollector) -> None:
    with dialled(collector) as connection:
        connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(CLICK) + CLICK + b"}}}}\r\n\r\n")
        answers = b""
        while part := connection.recv(65_536):
            answers += part
    assert answers.count(b" 400 Bad Request") == 1
    assert answers.count(b"HTTP/1.") <= 2  # the click before it may be refused with it


def test_pipelined_requests_are_answered_in_turn(collector: RunningCollector) -> None:
    asked = 300
    one = HEAD + b"Content-Length: %d\r\n\r\n" % len(CLICK) + CLICK
    with dialled(collector) as connection:
        connection.sendall(one * (asked - 1) + one.replace(b"/v1/clicks", b"/v1/nothing"))
        seen = b""
        while seen.count(b"\r\n\r\n") < asked:
            part = connection.recv(65_536)
            assert part
            seen += part
    assert [seen.count(b"HTTP/1.1 %d" % each) for each in (200, 404)] == [asked - 1, 1]
    assert seen.rfind(b"HTTP/1.1 200") < seen.find(b"HTTP/1.1 404")


@pytest.mark.parametrize(
    ("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("br", brotli.compress)]
)
def test_bombs_beside_each_other_stay_within_the_memory_for_bodies(
    collector: RunningCollector, coding: str, pack: Callable[[bytes], bytes]
) -> None:
    bomb = pack(bytes(20_000_000))
    before = memory(collector)
    one = HEAD + f"Content-Encoding: {coding}\r\nContent-Length: {len(bomb)}\r\n\r\n".encode() + bomb
    with ExitStack() as kept:
        all_of_them = [kept.enter_context(dialled(collector)) for _ in range(100)]
        for connection in all_of_them:
            connection.sendall(one)
        assert {status(connection) for connection in all_of_them} <= {413, 503}
    assert memory(collector) - before < MOST_BYTES


@pytest.mark.parametrize("host", ["evil.example", "evil.example:99999", "[::", "", "a b", "x\\@evil.example"])
@pytest.mark.parametrize("path", ["/batch", "/track", "//evil.example", "/v1/clicks//", "/tag.js/"])
def test_no_host_makes_it_redirect(collector: RunningCollector, host: str, path: str) -> None:
    head = (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-Host: evil.example\r\nConnection: close\r\n\r\n"
    )
    with dialled(collector) as connection:
        connection.sendall(head.encode())
        answer = connection.recv(65_536)
    assert answer.split()[1][:1] == b"4"
    assert b"Location" not in answer
    assert b"evil" not in answer


def test_origin_that_is_no_text_is_no_failure(collector: RunningCollector) -> None:
    with dialled(collector) as connection:
        connection.sendall(HEAD + b"Origin: \xff\xfe\r\nContent-Length: %d\r\n\r\n" % len(CLICK) + CLICK)
        answer = connection.recv(65_536)
    assert answer.split()[1] in (b"200", b"400", b"403")
