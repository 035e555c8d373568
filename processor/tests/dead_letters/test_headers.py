"""What the headers of a dead letter say, whoever wrote them, and whatever is in them."""

import pytest
from clickstream_processor.dead_letters.headers import (
    MAX_REASON_CHARS,
    MAX_TEXT_CHARS,
    Said,
    Writer,
    read_headers,
)
from clickstream_processor.processing.output.letters import letter as letter_of_a_pod
from clickstream_processor.topology.records.replayed import Place, Replayed
from processor_support.queries.query_pods import Record

SINK = "__connect.errors."


def read(**headers: bytes | None) -> Said:
    return read_headers([(name.replace("_", "-"), value) for name, value in headers.items()])


def test_letter_that_a_pod_writes_is_read_back() -> None:
    record = Record(b"alice", b"{" * 70_000, 12, 1_000)
    sent = letter_of_a_pod(record, "not-json", "ünfit", "user-clicks", 7, max_bytes=10_000, bare=False)
    headers = [(name, v if v is None or isinstance(v, bytes) else v.encode()) for name, v in sent.headers]
    found = read_headers(headers)
    assert (found.writer, found.reason, found.detail) == (Writer.POD, "not-json", "ünfit")
    assert found.first == Place("user-clicks", 7, 12)
    assert (found.is_cut, found.original_size) == (True, 70_000)


@pytest.mark.parametrize(
    ("message", "reason", "detail"),
    [
        (b"too-old: its day is 40 days old", "too-old", "its day is 40 days old"),
        (b"rejected", "rejected", ""),
        (b"rejected-by-somebody: x", "unknown", "rejected-by-somebody: x"),
        (b"Bulk failed", "unknown", "Bulk failed"),
        (None, "unknown", "java.lang.Exception"),
    ],
)
def test_reason_of_a_letter_of_the_sink_begins_its_message(
    message: bytes | None, reason: str, detail: str
) -> None:
    headers: list[tuple[str, bytes | None]] = [
        (f"{SINK}topic", b"enriched-clicks"),
        (f"{SINK}partition", b"2"),
        (f"{SINK}offset", b"9"),
        (f"{SINK}connector.name", b"storefront-search"),
        (f"{SINK}exception.class.name", b"java.lang.Exception"),
        (f"{SINK}exception.message", message),
    ]
    found = read_headers(headers)
    assert (found.writer, found.reason, found.detail) == (Writer.SINK, reason, detail)
    assert (found.first, found.connector) == (Place("enriched-clicks", 2, 9), "storefront-search")


def test_writer_is_known_by_the_headers() -> None:
    assert read(source_path=b"/v1/batch", reason=b"oversized").writer is Writer.COLLECTOR
    assert read(source_topic=b"t", source_path=b"/").writer is Writer.POD
    assert read(reason=b"late").writer is Writer.UNKNOWN


def test_no_header_is_believed() -> None:
    found = read(source_topic=b"\xff", source_partition=b"-1", source_offset=b"\xd9\xa3", attempt=b"9" * 400)
    assert (found.first, found.again, found.is_cut) == (None, None, False)
    assert read(original_size=b"many").is_cut
    assert read(detail=b"\xff\x00").detail == "\\xff\x00"
    assert len(read(detail=b"x" * 9_000_000).detail) == MAX_TEXT_CHARS
    assert len(read(detail=b"\xff" * 9_000_000).detail) == MAX_TEXT_CHARS
    assert len(read(reason=b"x" * 5_000).reason) == MAX_REASON_CHARS
    assert read(reason=None).reason == "unknown"
    assert read_headers([("reason", b"first"), ("reason", b"last"), ("reason", None)]).reason == "last"


def test_headers_of_a_replay_are_told() -> None:
    found = read(attempt=b"3", replay=b"fix-times", history=b"mistyped-field, unmatched")
    assert found.again == Replayed("fix-times", 3, "mistyped-field, unmatched")
