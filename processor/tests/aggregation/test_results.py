"""What a reader gets: the JSON of one result, and the largest values of a window."""

import json
from typing import Any

from clickstream_processor.aggregation.merging.results import ResultWriter, largest
from clickstream_processor.aggregation.metric import Metric
from clickstream_processor.aggregation.values.aggregates import aggregate_type
from clickstream_processor.aggregation.values.keys import OTHER, encode_key
from clickstream_processor.aggregation.windows import KeyInWindow

PAGES = Metric("pages", by={"page": "click.page_url", "country": "profile.country"}, topic="pages")
USERS = Metric("users", "distinct", "click.user_id", topic="users", emit="final")


def found(metric: Metric, values: Any, key: bytes = b"") -> KeyInWindow:
    aggregate = aggregate_type(metric.kind)()
    for value in values:
        aggregate.add(value)
    return KeyInWindow(key, aggregate, 0)


def encode_result(metric: Metric, window_ms: int, each: KeyInWindow) -> bytes:
    return ResultWriter(metric).write(window_ms, each)[0]


def result_key(metric: Metric, key: bytes) -> bytes:
    return ResultWriter(metric).write(0, found(metric, [], key))[1]


def test_a_result_has_its_window_its_keys_and_its_value() -> None:
    result = encode_result(PAGES, 600_000, found(PAGES, "xyz", encode_key(["/", None])))
    assert result == (
        b'{"metric":"pages","window_start":600000,"window_end":900000,'
        b'"keys":{"page":"/","country":null},"value":3,"emit":"updates"}'
    )
    assert result_key(PAGES, encode_key(["/", None])) == b'["/",null]'


def test_the_key_for_all_others_says_so_in_each_of_its_values() -> None:
    body = json.loads(encode_result(PAGES, 0, found(PAGES, "x", OTHER)))
    assert body["keys"] == {"page": "(other)", "country": "(other)"}
    assert result_key(PAGES, OTHER) == b'["(other)","(other)"]'


def test_a_total_has_no_keys() -> None:
    total = Metric("total", "sum", "click.amount")
    assert json.loads(encode_result(total, 0, found(total, [1.5, 2])))["keys"] == {}
    assert result_key(total, b"") == b"[]"


def test_different_values_are_exact_or_have_bounds() -> None:
    exact = json.loads(encode_result(USERS, 0, found(USERS, map(str, range(200)))))
    assert (exact["value"], exact["exact"], "lower" in exact, exact["emit"]) == (200, True, False, "final")
    estimate = json.loads(encode_result(USERS, 0, found(USERS, map(str, range(5_000)))))
    assert estimate["exact"] is False
    assert estimate["lower"] < 5_000 < estimate["upper"]
    assert estimate["lower"] < estimate["value"] < estimate["upper"]


def test_an_integer_of_any_size_is_written_with_all_its_digits() -> None:
    total = Metric("total", "sum", "click.amount")
    assert json.loads(encode_result(total, 0, found(total, [2**64 - 1] * 4)))["value"] == 4 * (2**64 - 1)


def test_no_number_at_all_is_null() -> None:
    least = Metric("least", "min", "click.amount")
    assert json.loads(encode_result(least, 0, found(least, [])))["value"] is None


def test_the_largest_values_come_first_and_equal_ones_by_their_key() -> None:
    entries = [found(PAGES, range(count), key) for count, key in [(1, b"a"), (3, b"c"), (3, b"b"), (2, b"d")]]
    assert [(each.key, value) for each, value in largest(iter(entries), 3)] == [
        (b"b", 3),
        (b"c", 3),
        (b"d", 2),
    ]
    assert largest([found(Metric("m", "max", "click.amount"), [])], 3) == []
