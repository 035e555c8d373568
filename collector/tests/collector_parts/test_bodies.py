"""Bodies: bounded decompression, whatever the content type says, and JSON that one event spoils."""

import base64
import gzip
import json
import zlib
from typing import Any

import brotli
import pytest
from clickstream_collector.bodies.compression import MAX_MEMBERS, decompressed
from clickstream_collector.bodies.content import clicks_document, document, media_type
from clickstream_collector.bodies.json_text import MAX_PATIENT_BYTES, Unwritable, decoded
from clickstream_collector.errors import BodyTooLarge, UnknownEncoding, UnreadableBody

LIMIT = 10_000
EVENT = {"batch": [{"event": "buy+1", "text": "ümlaut"}]}
JSON = json.dumps(EVENT).encode()
BASE64 = base64.b64encode(JSON)
RAW_DEFLATE = zlib.compressobj(wbits=-15)


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (JSON, ""),
        (JSON, "gzip"),
        (gzip.compress(JSON), "gzip"),
        (gzip.compress(JSON), ""),
        (gzip.compress(JSON[:20]) + gzip.compress(JSON[20:]), "gzip"),
        (zlib.compress(JSON), "deflate"),
        (RAW_DEFLATE.compress(JSON) + RAW_DEFLATE.flush(), "deflate"),
        (brotli.compress(JSON), "br"),
    ],
    ids=["plain", "said only", "gzip", "not said", "two members", "zlib", "raw deflate", "br"],
)
def test_body_is_decompressed(body: bytes, coding: str) -> None:
    assert decompressed(body, coding, LIMIT) == JSON


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (gzip.compress(bytes(50_000_000)), "gzip"),
        (zlib.compress(bytes(50_000_000)), "deflate"),
        (brotli.compress(bytes(50_000_000), quality=3), "br"),
        (b"".join(gzip.compress(bytes(LIMIT // 2 + 1)) for _ in range(2)), "gzip"),
    ],
    ids=["gzip", "deflate", "br", "members"],
)
def test_bomb_is_refused(body: bytes, coding: str) -> None:
    with pytest.raises(BodyTooLarge):
        decompressed(body, coding, LIMIT)


def test_many_members_are_refused_before_they_cost_time() -> None:
    """Each costs a copy of the rest: what is refused are not their bytes, but their number."""
    with pytest.raises(UnreadableBody, match=f"more than {MAX_MEMBERS} members"):
        decompressed(gzip.compress(b"") * (MAX_MEMBERS + 1), "gzip", LIMIT)
    assert decompressed(gzip.compress(b"[") * MAX_MEMBERS, "gzip", LIMIT) == b"[" * MAX_MEMBERS


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_damaged_compression_is_refused(coding: str) -> None:
    whole = {"gzip": gzip.compress(JSON), "deflate": zlib.compress(JSON), "br": brotli.compress(JSON)}[coding]
    with pytest.raises(UnreadableBody):
        decompressed(whole[: len(whole) // 2], coding, LIMIT)


@pytest.mark.parametrize("coding", ["zstd", "gzip, gzip", "compress"])
def test_other_coding_is_refused(coding: str) -> None:
    with pytest.raises(UnknownEncoding):
        decompressed(b"x", coding, LIMIT)


@pytest.mark.parametrize(
    "body",
    [
        JSON,
        b"  \n" + JSON,
        b"\xef\xbb\xbf" + JSON,
        BASE64,
        base64.urlsafe_b64encode(JSON).rstrip(b"="),
        b"data=" + BASE64,
        b"verbose=1&data=" + BASE64.replace(b"+", b"%2B").replace(b"=", b"%3D"),
        b"data=" + json.dumps(EVENT).replace("+", "%2B").encode(),
        base64.b64encode(gzip.compress(JSON)),
    ],
    ids=[
        "json",
        "spaces",
        "mark",
        "base64",
        "base64url",
        "form",
        "escaped",
        "form of json",
        "gzip in base64",
    ],
)
def test_document_is_found_in_whatever_it_is_wrapped(body: bytes) -> None:
    assert document(body, LIMIT) == EVENT


@pytest.mark.parametrize(
    "body", [b"", b"  ", b"hello", b"a=b&c=d", b"data=", b'{"a":', b"<html>", b"\x00" * 9]
)
def test_body_without_a_document_is_refused(body: bytes) -> None:
    with pytest.raises(UnreadableBody):
        document(body, LIMIT)


@pytest.mark.parametrize("kind", ["application/x-ndjson", ""])
def test_clicks_come_one_a_line_and_a_bad_line_costs_only_itself(kind: str) -> None:
    found = clicks_document(b'{"a":1}\n\n{"b":\n{"c":3}\n', kind, LIMIT)
    assert [each if isinstance(each, dict) else type(each) for each in found] == [
        {"a": 1},
        Unwritable,
        {"c": 3},
    ]


@pytest.mark.parametrize(
    "header", ["", "application/json; charset=utf-8", "TEXT/PLAIN", "application/x-www-form-urlencoded"]
)
def test_content_types_of_sdks_are_taken(header: str) -> None:
    media_type(header)


@pytest.mark.parametrize("header", ["multipart/form-data; boundary=x", "image/png", "text/html"])
def test_content_type_of_no_sdk_is_refused(header: str) -> None:
    with pytest.raises(UnknownEncoding):
        media_type(header)


def test_half_an_emoji_stays_half_an_emoji() -> None:
    """What becomes of it, the place in the event says: tests/vocabularies/test_broken_texts.py."""
    assert decoded(b'["\\ud83d", "\\ud83d\\ude00", "\\\\ud83d"]') == ["\ud83d", "😀", "\\ud83d"]


def test_bytes_that_are_not_utf8_become_lone_surrogates() -> None:
    assert decoded(b'["\xff", "\xc3\xbc"]') == ["\udcff", "ü"]


@pytest.mark.parametrize("number", [b"NaN", b"-Infinity", b"1e400", b"9" * 5_000])
def test_number_that_json_cannot_hold_spoils_only_its_place(number: bytes) -> None:
    good, bad = decoded(b'[{"a": 1}, ' + number + b"]")
    assert (good, type(bad)) == ({"a": 1}, Unwritable)


@pytest.mark.parametrize("depth", [5_000, 200_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    shapes: tuple[Any, ...] = (b"[" * depth + b"]" * depth, b'{"a":' * depth + b"1" + b"}" * depth)
    for text in shapes:
        with pytest.raises(UnreadableBody):
            decoded(text)


def test_a_huge_text_that_is_no_json_is_read_once() -> None:
    """The second reading is for one odd event among others, not for megabytes of them."""
    odd = b'["' + b"\\n" * 40 + b'", NaN]'
    assert isinstance(decoded(odd)[1], Unwritable)
    with pytest.raises(UnreadableBody, match="not JSON"):
        decoded(odd.replace(b"NaN", b"NaN" + b" " * MAX_PATIENT_BYTES))
