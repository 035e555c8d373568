"""Hostile input: no 5xx but 503, no hang, and the collector takes events as before."""

import base64
import gzip
import json
import socket
import zlib
from collections.abc import Iterator

import brotli
import pytest
from clickstream_local.machine.ports import HOST
from clickstream_local.testing.eventually import eventually
from collector_support import bodies
from collector_support.running import RunningCollector

PATHS = [
    "/v1/clicks", "/v1/batch", "/v1/track", "/batch/", "/e/", "/2/httpapi", "/track/",
    "/com.snowplowanalytics.snowplow/tp2",
]  # fmt: skip
ZEROS = bytes(20_000_000)
DEEP = 5_000
USER = b'{"user_id":"user-hostile","page_url":"/","action":"view","properties":{"x":%b}}'

BODIES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", ""),
    "no json": (b"\x00\x01\x02", ""),
    "list": (b"[1,null,[],{}]", ""),
    "text": (b'"x"', ""),
    "gzip bomb": (gzip.compress(ZEROS), "gzip"),
    "deflate bomb": (zlib.compress(ZEROS), "deflate"),
    "br bomb": (brotli.compress(ZEROS, quality=3), "br"),
    "bomb in base64": (base64.b64encode(gzip.compress(ZEROS)), ""),
    "half a gzip": (gzip.compress(b"{}" * 99)[:30], "gzip"),
    "nested lists": (b"[" * DEEP + b"]" * DEEP, ""),
    "nested objects": (b'{"batch":' * DEEP + b"1" + b"}" * DEEP, ""),
    "nested in a field": (USER % (b"[" * 500 + b"]" * 500), ""),
    "NaN": (USER % b"NaN", ""),
    "1e400": (USER % b"-1e400", ""),
    "digits": (USER % (b"9" * 5_000), ""),
    "lone surrogate": (USER.replace(b"hostile", b"\\ud800") % b'"\\udfff"', ""),
    "not utf8": (USER % b'"\xff\xfe"', ""),
    "null characters": (USER % b'"\\u0000"', ""),
    "large click": (USER % json.dumps("x" * 66_000).encode(), "gzip-it"),
}


@pytest.fixture(autouse=True)
def _still_taking(collector: RunningCollector) -> Iterator[None]:
    yield
    assert collector.post("/v1/clicks", bodies.own("user-after")).status == 200
    assert collector.metric("clickstream_collector_requests_total", code="500") == 0


@pytest.mark.parametrize("name", BODIES)
def test_no_body_is_a_failure_of_ours(collector: RunningCollector, name: str) -> None:
    body, coding = BODIES[name]
    if coding == "gzip-it":
        body, coding = gzip.compress(body), "gzip"
    for path in PATHS:
        answered = collector.post(path, body, {"Content-Encoding": coding} if coding else {})
        assert answered.status in (200, 400, 413), (path, answered.body)


@pytest.mark.parametrize("name", ["NaN", "1e400", "digits", "nested in a field", "large click"])
def test_what_a_processor_could_not_read_is_a_dead_letter(collector: RunningCollector, name: str) -> None:
    body, coding = BODIES[name]
    if coding == "gzip-it":
        body, coding = gzip.compress(body), "gzip"
    answered = collector.post("/v1/clicks", body, {"Content-Encoding": coding} if coding else {})
    assert (answered.status, len(answered.json["refused"])) == (400, 1)


def test_half_an_emoji_does_not_cost_the_click(collector: RunningCollector) -> None:
    body = USER.replace(b"user-hostile", b"user-emoji") % b'"\\ud83d"'
    assert collector.post("/v1/clicks", body).status == 200
    (click,) = collector.clicks_of("user-emoji")
    assert click["properties"] == {"x": "�"}


@pytest.mark.parametrize(
    "head",
    [
        b"POST /v1/clicks HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"POST /v1/clicks HTTP/1.1\r\nHost: x\r\n" + b"X: x\r\n" * 10_000 + b"\r\n",
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /v1/clicks HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /e/ HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /v1/clicks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /v1/pixel.gif?user_id=%ff%fe&page_url=%ed%a0%80&action=%00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET //evil.example/%2e%2e/v1 HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    ],
    ids=["long", "many", "path", "length", "both", "chunks", "tls", "query", "redirect"],
)
def test_no_head_is_a_failure_of_ours(collector: RunningCollector, head: bytes) -> None:
    with socket.create_connection((HOST, collector.port), timeout=180) as connection:
        connection.sendall(head)
        connection.shutdown(socket.SHUT_WR)
        try:
            answer = connection.recv(4_096)
        except ConnectionError:
            return  # refused without a word
    assert not answer or answer.split()[1][:1] == b"4", answer


def test_slow_body_is_408(collector: RunningCollector) -> None:
    head = b"POST /v1/clicks HTTP/1.1\r\nHost: x\r\nX-Write-Key: wk-4f1c\r\nContent-Length: 100\r\n\r\n{"
    with socket.create_connection((HOST, collector.port), timeout=180) as connection:
        connection.sendall(head)
        assert connection.recv(4_096).split()[1] == b"408"


def test_client_that_goes_away_in_the_middle_is_no_failure(collector: RunningCollector) -> None:
    head = b"POST /v1/clicks HTTP/1.1\r\nHost: x\r\nX-Write-Key: wk-4f1c\r\nContent-Length: 100\r\n\r\n{"
    for _ in range(5):
        with socket.create_connection((HOST, collector.port), timeout=180) as connection:
            connection.sendall(head)
    eventually(lambda: collector.metric("clickstream_collector_requests_in_flight") == 0)
    assert "Traceback" not in collector.process.log.read_text()
