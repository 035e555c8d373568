"""Requests that no client sends, as bytes: odd methods, targets, headers and bodies."""

import gzip
import http.client
import socket
import zlib

import brotli
import pytest
from clickstream_collector.bodies.content import TYPES
from clickstream_collector.http.openapi import document
from clickstream_local.machine.ports import HOST
from clickstream_local.testing.randomised import examples
from collector_support.described import Described
from collector_support.running import KEY, Answer, RunningCollector
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

OPERATIONS = sorted(Described(document(1, 2, is_open=False)).operations)
ADMIN = ("/livez", "/readyz", "/metrics", "/openapi.json")
KNOWN = [(method, path) for method, path in OPERATIONS if path not in ADMIN]
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "x", "MERGE"]

# Without line ends, which would be another header; a whole head is less than 8 KiB.
header_text = st.binary(max_size=60).map(lambda text: text.translate(None, b"\r\n\x00").strip())
json_text = st.sampled_from(
    [
        b'{"user_id":"a","page_url":"/","action":"b"}',
        b'{"batch":[{"type":"page","userId":"a"}]}',
        b"[{}]",
        b"{",
    ]
)
body = st.one_of(
    st.binary(max_size=200),
    json_text,
    st.one_of(st.binary(max_size=99), json_text).flatmap(
        lambda text: st.sampled_from([gzip.compress(text), zlib.compress(text), brotli.compress(text)])
    ),
)
query = st.one_of(
    st.binary(max_size=60).map(lambda text: text.translate(None, b"\r\n\x00\t\x0b\x0c #")),
    st.sampled_from(
        [
            b"", b"data=e30", b"data=W3t9XQ==&verbose=1", b"user_id=%ff&page_url=/&action=b",
            b"data=%1f%8b%08", b"e=pv&uid=a&ue_px=%%%", b"writeKey=%ed%a0%80", b"&&&==;;",
            b"user_id=a&page_url=/&action=b&x=\xff",
        ]
    ),
)  # fmt: skip
target = st.one_of(
    st.sampled_from([path.replace("{key}", "k").encode() for _, path in KNOWN]),
    st.sampled_from(
        [
            b"/", b"//", b"/v1/clicks/", b"/V1/CLICKS", b"/v1/%63licks", b"/v1/../v1/clicks", b"/v1//clicks",
            b"/v1/projects/%ed%a0%80/settings", b"/v1/projects/\xff\xfe/settings", b"/array/%00/config",
            b"/array/%2e%2e/config.js", b"/tag.js/", b"/%", b"*", b"http://evil.example/v1/clicks",
            b"http://[/", b"//evil.example/v1/clicks", b"/sourceConfig/", b"evil.example:443",
        ]
    ),
)  # fmt: skip
HEADERS: list[tuple[bytes, st.SearchStrategy[bytes]]] = [
    (b"Content-Type", st.sampled_from([each.encode() for each in TYPES]) | header_text),
    (b"Content-Encoding", st.sampled_from([b"gzip", b"br", b"deflate", b"zstd", b"gzip, br"]) | header_text),
    (b"X-Write-Key", st.sampled_from([KEY.encode(), b"wk-shop"]) | header_text),
    (
        b"Authorization",
        st.sampled_from([b"Basic d2stNGYxYzo=", b"Basic //8=", b"Bearer ", b"x"]) | header_text,
    ),
    (b"Origin", st.sampled_from([b"https://shop.example", b"null"]) | header_text),
    (b"Access-Control-Request-Headers", header_text),
    (b"Expect", st.sampled_from([b"100-continue", b"x"])),
    (b"Upgrade", st.sampled_from([b"websocket", b"h2c", b"tcp"])),
    (b"Connection", st.sampled_from([b"close", b"upgrade", b"keep-alive, upgrade", b"x"])),
    (b"Accept-Encoding", header_text | st.just(b"br;q=x,gzip;q=0")),
    (b"If-None-Match", header_text | st.just(b"*")),
    (b"User-Agent", header_text),
    (b"X-Forwarded-For", header_text),
    (b"Cookie", header_text),
    (b"Range", st.just(b"bytes=0-9")),
    (b"Host", header_text),
    (b"Content-Length", st.sampled_from([b"0", b"-1", b"1e1", b"9" * 30, b"0x5", b"5", b"70000"])),
    (b"Transfer-Encoding", st.sampled_from([b"chunked", b"gzip", b"identity", b"chunked, chunked"])),
]
headers = st.lists(
    st.sampled_from(HEADERS).flatmap(lambda each: st.tuples(st.just(each[0]), each[1])), max_size=6
)


def sent(port: int, method: str, head: bytes, content: bytes) -> Answer | None:
    """Send bytes and return the answer; None where the connection is closed without one."""
    with socket.create_connection((HOST, port), timeout=60) as connection:
        connection.sendall(head + content)
        response = http.client.HTTPResponse(connection, method=method)
        try:
            response.begin()
            return Answer(
                response.status, {k.title(): v for k, v in response.headers.items()}, response.read()
            )
        except (ConnectionError, http.client.BadStatusLine):
            return None


@pytest.mark.parametrize("known", [True, False], ids=["paths that are there", "any path"])
def test_every_answer_is_as_described(collector: RunningCollector, described: Described, known: bool) -> None:
    where = (
        st.sampled_from([(method, path.replace("{key}", "k").encode()) for method, path in KNOWN])
        if known
        else st.tuples(st.sampled_from(METHODS), target)
    )

    @given(where=where, query=query, headers=headers, content=body)
    @settings(max_examples=examples(300), suppress_health_check=list(HealthCheck))
    def check(
        where: tuple[str, bytes], query: bytes, headers: list[tuple[bytes, bytes]], content: bytes
    ) -> None:
        method, path = where
        names = [name for name, _ in headers]
        lines = [b"%b: %b" % each for each in headers]
        lines += [b"Host: x"] if b"Host" not in names else []
        if b"Content-Length" not in names and b"Transfer-Encoding" not in names:
            lines.append(b"Content-Length: %d" % len(content))
        start = b"%b %b HTTP/1.1" % (method.encode(), path + (b"?" + query if query else b""))
        answer = sent(collector.port, method, b"\r\n".join([start, *lines, b"", b""]), content)
        assert answer is not None
        wrong = described.wrong_with(method, path.decode("utf-8", "surrogateescape"), answer)
        assert wrong is None, (wrong, answer)

    check()
