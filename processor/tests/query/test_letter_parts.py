"""Positions of pages, intervals of a summary, bytes as text or hex: what needs no Kafka."""

import random

import pytest
from clickstream_processor.query.letters import cursor
from clickstream_processor.query.letters.document import as_bytes
from clickstream_processor.query.letters.tally import (
    MAX_BUCKETS,
    MAX_REASONS,
    OTHER,
    bucket_length,
    buckets,
    by_reason,
    fewer,
)


def test_position_survives_the_way_through_a_url() -> None:
    chance = random.Random(1)
    for _ in range(300):
        before = {chance.randrange(1_000): chance.randrange(2 ** chance.randrange(1, 63)) for _ in range(20)}
        assert cursor.decode(cursor.encode(before)) == before
    assert cursor.decode(cursor.encode({})) == {}


def test_position_of_a_thousand_partitions_fits_into_a_url() -> None:
    before = {partition: 100_000_000 + partition for partition in range(1_000)}
    assert len(cursor.encode(before)) < cursor.MAX_CHARS
    assert cursor.decode(cursor.encode(before)) == before


@pytest.mark.parametrize("text", ["%", "A", "AA", "gA", "_" * 40, "ÄÄ", "A" * 9_000, "\x00"])
def test_text_that_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        cursor.decode(text)


def test_bytes_are_text_only_where_people_can_read_them() -> None:
    cases = [
        (b"plain\n\ttext", "text", "plain\n\ttext"),
        ("ä€😀".encode(), "text", "ä€😀"),
        (b"nul\x00", "hex", "6e756c00"),
        (b"\xff", "hex", "ff"),
        (b"\xed\xa0\xbd", "hex", "eda0bd"),  # half of a character
        (b"", "text", ""),
    ]
    for data, encoding, shown in cases:
        found = as_bytes(data, 100)
        assert (found.encoding, found.data, found.size, found.cut) == (encoding, shown, len(data), False)


def test_cut_leaves_no_half_character() -> None:
    for at_most in range(1, 9):
        found = as_bytes("😀😀😀".encode(), at_most)
        assert (found.encoding, found.data, found.cut) == ("text", "😀" * (at_most // 4), True)
    assert as_bytes(b"ok\xf0\x9f", 100).encoding == "hex", "the bytes end there"


def test_summary_has_few_intervals_of_a_round_length() -> None:
    assert bucket_length(0, 0) == 1_000
    assert bucket_length(0, 59_999) == 1_000
    assert bucket_length(0, 60_000) == 2_000
    assert bucket_length(0, 7 * 86_400_000) == 3 * 3_600_000
    chance = random.Random(2)
    for _ in range(200):
        ends = sorted(chance.randrange(2 ** chance.randrange(1, 62)) for _ in range(2))
        length = bucket_length(*ends)
        assert ends[1] // length - ends[0] // length <= MAX_BUCKETS


def test_too_many_reasons_are_told_together() -> None:
    times = {f"r{number:03}": [number] * (200 - number) for number in range(200)}
    found = fewer(times)
    assert list(found) == [f"r{number:03}" for number in range(MAX_REASONS - 1)] + [OTHER]
    assert sum(len(each) for each in found.values()) == sum(len(each) for each in times.values())
    few = {"late": [1], "unmatched": [2, 3]}
    assert fewer(few) == few


def test_letters_are_counted_by_reason_and_interval() -> None:
    times = {"late": [0, 999, 1_000], "unmatched": [1_500], "not-json": [2_000, 2_000, 2_000, 2_000]}
    assert [(each.reason, each.letters) for each in by_reason(times)] == [
        ("not-json", 4),
        ("late", 3),
        ("unmatched", 1),
    ]
    assert [(each.at_ms, each.reasons) for each in buckets(times, 1_000)] == [
        (0, {"late": 2}),
        (1_000, {"late": 1, "unmatched": 1}),
        (2_000, {"not-json": 4}),
    ]
