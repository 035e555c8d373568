"""The processor reads and writes exactly what docs/reference/protocol.md shows."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from clickstream_processor.control.records import (
    Ack,
    Claim,
    Heartbeat,
    ProtocolTooNew,
    TaskRecord,
    TaskReport,
    decode_ack,
    decode_assignment,
    encode,
    task_in,
)
from clickstream_processor.errors import MalformedRecord
from clickstream_processor.task_id import clicks_task

PROTOCOL = Path(__file__).parents[3] / "docs" / "reference" / "protocol.md"


def examples(topic: str) -> list[tuple[bytes, bytes]]:
    """Key and value of each JSON block of docs/reference/protocol.md that shows a record of ``topic``."""
    blocks = re.findall(rf"^```json topic={topic} key=(\S+)\n(.*?)^```", PROTOCOL.read_text(), re.M | re.S)
    assert blocks, f"docs/reference/protocol.md shows no record of topic {topic}"
    return [(key.encode(), value.encode()) for key, value in blocks]


def test_the_documented_assignment_records_decode_to_what_the_text_says() -> None:
    claim, taken_over, unowned = (decode_assignment(*example) for example in examples("assignment"))
    assert claim == Claim(1, 7, "5f0c8a52-6a3e-4f6e-9d0e-0b5b8f7a1c11", 1690000000000)
    assert taken_over == TaskRecord(1, 7, 42, 41, owner=1, fence=(0,), standbys=(2,), started=True)
    assert unowned == TaskRecord(1, 7, 43, 43, owner=None, fence=(), standbys=(), started=False)
    assert [task_in(key) for key, _ in examples("assignment")[1:]] == [clicks_task(3), clicks_task(4)]


def test_encoding_an_ack_gives_the_documented_fields_and_no_others() -> None:
    for key, value in examples("acks"):
        assert json.loads(encode(decode_ack(key, value))) == json.loads(value)


def test_the_documented_acks_decode_to_what_the_text_says() -> None:
    heartbeat, acquired, released = (decode_ack(*example) for example in examples("acks"))
    assert isinstance(heartbeat, Heartbeat)
    assert (heartbeat.ordinal, heartbeat.incarnation, heartbeat.commits, heartbeat.ended) == (
        1,
        3,
        123,
        False,
    )
    assert heartbeat.tasks == {
        "clicks-3": TaskReport("owner", "running", 41, applied=9120),
        "clicks-5": TaskReport("standby", "restoring", 12, lag_records=81234, applied=312),
    }
    pod_1 = "0b2b6c1e-41d8-4f0e-8a55-2a8d7a0d9f10"
    pod_0 = "c7a1de0e-92c0-4a6e-bb0a-7f4c3f5c6a77"
    assert acquired == Ack(1, "acquired", 41, 1, pod_1, 1690000000000)
    assert released == Ack(1, "released", 41, 0, pod_0, 1690000000000)


def with_field(value: bytes, name: str, new: Any) -> bytes:
    return json.dumps({**json.loads(value), name: new}).encode()


def test_a_field_added_by_a_newer_controller_is_ignored() -> None:
    key, value = examples("assignment")[1]
    assert decode_assignment(key, with_field(value, "colour", "red")) == decode_assignment(key, value)


def test_a_newer_version_is_refused_even_when_its_fields_cannot_be_read() -> None:
    key, _ = examples("assignment")[1]
    with pytest.raises(ProtocolTooNew, match="version 2"):
        decode_assignment(key, b'{"version": 2, "owners": [1]}')


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param(b"task/clicks-3", b"{", id="not JSON"),
        pytest.param(b"task/clicks-3", b'{"version": 1}', id="fields missing"),
        pytest.param(b"other", examples("assignment")[1][1], id="unknown key"),
        pytest.param(b"task/other-3", examples("assignment")[1][1], id="unknown stage"),
        pytest.param(
            b"task/clicks-3", with_field(examples("assignment")[1][1], "owner", "1"), id="owner is text"
        ),
        pytest.param(None, examples("assignment")[1][1], id="no key"),
    ],
)
def test_what_is_no_record_is_malformed(key: bytes | None, value: bytes) -> None:
    with pytest.raises(MalformedRecord):
        decode_assignment(key, value)
