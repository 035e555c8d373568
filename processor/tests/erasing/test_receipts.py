"""What an erasure is asked, what it finds in compacted topics, and the receipt that it leaves."""

import json
from hashlib import sha256

import pytest
from clickstream_processor.erasing.receipt import Place, hashed, receipt_of
from clickstream_processor.erasing.request import read_request
from clickstream_processor.erasing.surveys.survey import Survey
from clickstream_processor.errors import InvalidErasure
from clickstream_processor.jobs.word import LONGEST_WORD
from clickstream_processor.topology import keys
from clickstream_processor.topology.erasing import sign_of, user_of
from processor_support.lines.sample_line import record

ALICE, BOB = b"alice", b"bob"
OLD, NEW = keys.chunk_key(300_000, ALICE), keys.chunk_key(600_000, ALICE)


def survey(*records: tuple[bytes, bytes | None]) -> Survey:
    found = Survey([ALICE], lambda key, _: user_of(key), sign_of)
    found.take(record(key, value, offset) for offset, (key, value) in enumerate(records))
    return found


def test_keys_with_a_value_are_alive_until_their_tombstone() -> None:
    assert survey((OLD, b"1"), (OLD, b"2"), (keys.chunk_key(300_000, BOB), b"1")).alive() == 1
    assert survey((OLD, b"1"), (OLD, None)).alive() == 0
    assert survey((OLD, None), (OLD, b"1")).alive() == 1


def test_what_is_older_than_the_newest_sign_is_left_and_what_is_newer_is_new() -> None:
    sign = (sign_of(ALICE), None)
    found = survey((OLD, b"1"), sign, (NEW, b"1"))
    assert (found.left(), found.users[ALICE].left()) == (1, [OLD])
    assert survey((OLD, b"1"), (OLD, None), sign, (NEW, b"1")).left() == 0
    assert survey((OLD, b"1"), sign, (NEW, b"1"), sign).left() == 2
    assert survey((sign_of(BOB), None)).users[ALICE].sign == -1


def test_a_receipt_names_no_user_and_has_the_latest_time() -> None:
    places = [Place("a", "expires", until_ms=5), Place("b", "expires", until_ms=9), Place("c", "index")]
    receipt = receipt_of("done", hashed(["alice"]), places, "")
    assert receipt.users == [sha256(b"alice").hexdigest()]
    assert receipt.count == 1
    assert receipt.gone_ms == 9
    assert receipt_of("done", [], [Place("c", "index")], "").gone_ms is None
    places[0].left = 7
    assert receipt.places[0].left is None  # it is what was so then


def test_the_last_word_has_room_for_the_kubelet() -> None:
    many = [Place(f"topic-{number}", "expires", note="x" * 100) for number in range(100)]
    receipt = receipt_of("failed", hashed(str(number) for number in range(1_000)), many, "y" * 5_000)
    word = receipt.last_word()
    assert len(word) <= LONGEST_WORD
    assert json.loads(word)["phase"] == "failed"
    assert json.loads(word)["count"] == 1_000
    assert len(receipt.users) == 1_000
    short = receipt_of("done", hashed(["alice"]), many[:2], "")
    assert short.last_word() == short.encode()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 2}, "version: 2"),
        ({"name": "A b"}, "name: "),
        ({"users": []}, "users: 0 of them"),
        ({"users": ["u"] * 1_001}, "users: 1001 of them"),
        ({"users": [4711]}, "users"),
        ({"users": [""]}, "users[0]"),
        ({"users": ["ok", "u" * 1_025]}, "users[1]"),
        ({"block": True}, "unknown field"),
    ],
)
def test_a_wrong_description_says_what_is_wrong(change: dict[str, object], said: str) -> None:
    document = {"version": 1, "name": "gone", "users": ["alice"]}
    assert read_request(json.dumps(document).encode()).users == ["alice"]
    with pytest.raises(InvalidErasure) as refused:
        read_request(json.dumps(document | change).encode())
    assert said in str(refused.value)


def test_users_may_be_in_a_file_of_their_own_one_a_line() -> None:
    head = json.dumps({"version": 1, "name": "gone"}).encode()
    text = "\ufeffalice\r\n\nbob smith\n\nzoë\n".encode()
    assert read_request(head, text).users == ["alice", "bob smith", "zoë"]


@pytest.mark.parametrize(
    ("users", "said"),
    [
        (b"", "users: 0 of them"),
        (b"\n\r\n", "users: 0 of them"),
        (b"alice\n" * 1_001, "users: 1001 of them"),
        (b"ok\n" + b"u" * 1_025, "users[1]"),
        (b"\xff\xfealice", "not UTF-8"),
    ],
)
def test_a_wrong_file_of_users_says_what_is_wrong_and_names_none(users: bytes, said: str) -> None:
    with pytest.raises(InvalidErasure) as refused:
        read_request(json.dumps({"version": 1, "name": "gone"}).encode(), users)
    assert said in str(refused.value)
    assert "alice" not in str(refused.value)


def test_users_in_two_places_are_refused() -> None:
    with pytest.raises(InvalidErasure, match="leave one out"):
        read_request(json.dumps({"version": 1, "name": "gone", "users": ["alice"]}).encode(), b"bob")
