"""What a URL says of a metric's windows and keys; partitions in a URL; the cache of the last second."""

import asyncio
from random import Random

import pytest
from clickstream_local.testing.randomised import examples, seed
from clickstream_processor.aggregation.metric import Metric
from clickstream_processor.aggregation.values.keys import OTHER, KeyValue, encode_key
from clickstream_processor.query.http.problems import Problem
from clickstream_processor.query.metrics import partition_list
from clickstream_processor.query.metrics.question import (
    latest_window_ms,
    peer_parameters,
    peer_question,
    question,
)
from clickstream_processor.query.metrics.reading.match import Match, forms, text_of
from clickstream_processor.query.metrics.recent import Recent

MINUTE = 60_000
BY = {"page": "click.page_url", "plan": "click.plan"}
TUMBLING = Metric("views", by=BY, size_ms=5 * MINUTE)
HOPPING = Metric("recent-views", by=BY, size_ms=5 * MINUTE, advance_ms=MINUTE)
NOW_MS = 1_000 * 5 * MINUTE + 90_000


def windows(metric: Metric, now_ms: int = NOW_MS, **parameters: str) -> list[int]:
    """Return the starts of the windows that are asked for."""
    named = {name.removesuffix("_"): text for name, text in parameters.items()}
    return list(question(metric, named, now_ms).read.windows)


def test_latest_window_of_tumbling_ones_is_the_one_that_holds_now() -> None:
    start_ms = 1_000 * 5 * MINUTE
    assert latest_window_ms(TUMBLING, start_ms) == start_ms
    assert latest_window_ms(TUMBLING, start_ms + 5 * MINUTE - 1) == start_ms
    assert windows(TUMBLING) == windows(TUMBLING, window="latest") == [start_ms]


def test_latest_window_of_hopping_ones_is_the_one_whose_newest_pane_holds_now() -> None:
    for late_ms in (0, 1, MINUTE - 1):
        start_ms = latest_window_ms(HOPPING, 100 * MINUTE + late_ms)
        assert start_ms == 96 * MINUTE
        assert HOPPING.panes.of_window(start_ms)[-1] == 100 * MINUTE
    assert latest_window_ms(HOPPING, 2 * MINUTE) == 0  # none starts before the epoch


def test_one_window_is_named_by_its_start() -> None:
    assert windows(HOPPING, window=str(7 * MINUTE)) == [7 * MINUTE]
    assert question(HOPPING, {"window": "0"}, NOW_MS).is_exact
    with pytest.raises(Problem, match="the one before 420001 starts at 420000"):
        windows(HOPPING, window=str(7 * MINUTE + 1))


def test_windows_of_a_span_start_in_it() -> None:
    assert windows(HOPPING, from_="60001", to=str(4 * MINUTE)) == [2 * MINUTE, 3 * MINUTE]
    assert windows(HOPPING, from_="60000", to="60001") == [MINUTE]
    assert windows(HOPPING, from_="60001", to="60002") == []
    latest_ms = latest_window_ms(HOPPING, NOW_MS)
    assert windows(HOPPING, from_=str(latest_ms - MINUTE)) == [latest_ms - MINUTE, latest_ms]
    assert windows(HOPPING, from_=str(latest_ms + 1)) == []


@pytest.mark.parametrize(
    ("parameters", "parameter"),
    [
        ({"window": "newest"}, "window"),
        ({"window": "-1"}, "window"),
        ({"window": "9" * 17}, "window"),
        ({"window": "latest", "from": "0"}, "window"),
        ({"to": "60000"}, "to"),
        ({"from": "5", "to": "5"}, "from"),
        ({"from": "1.5"}, "from"),
        ({"from": "0", "to": str(501 * MINUTE)}, "from"),
        ({"from": "0"}, "from"),  # up to now these are too many
        ({"top": "0"}, "top"),
        ({"top": "1001"}, "top"),
        ({"top": "x"}, "top"),
        ({"from": "0", "to": str(11 * MINUTE), "top": "1000"}, "top"),
        ({"by.page": "ü" * 129}, "by.page"),
        ({"by.page": "\ud800"}, "by.page"),
    ],
)
def test_what_cannot_be_asked_is_400_and_names_the_parameter(
    parameters: dict[str, str], parameter: str
) -> None:
    with pytest.raises(Problem) as refused:
        question(HOPPING, parameters, NOW_MS)
    assert (refused.value.status, refused.value.extensions["parameter"]) == (400, parameter)


def test_bounds_themselves_can_be_asked() -> None:
    assert len(windows(HOPPING, from_="0", to=str(500 * MINUTE))) == 500
    assert len(windows(HOPPING, from_="0", to=str(10 * MINUTE), top="1000")) == 10
    question(HOPPING, {"by.page": "x" * 256}, NOW_MS)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"window": "0", "by.page": "/ä&=", "by.plan": ""},
        {"from": "0", "to": "300001", "by.plan": "5", "top": "7"},
        {"from": "60001", "to": "60002"},
    ],
)
def test_peer_understands_what_it_is_asked(parameters: dict[str, str]) -> None:
    asked = question(HOPPING, parameters, NOW_MS).read
    assert peer_question({HOPPING.identity.hex(): HOPPING}, peer_parameters(asked)) == asked


def test_peer_with_another_definition_of_the_metric_does_not_answer() -> None:
    asked = question(HOPPING, {}, NOW_MS).read
    with pytest.raises(Problem) as refused:
        peer_question({TUMBLING.identity.hex(): TUMBLING}, peer_parameters(asked))
    assert refused.value.status == 404


def test_text_means_every_value_that_has_this_text_form() -> None:
    assert forms("5") == ("5", 5)
    assert forms("-7") == ("-7", -7)
    assert forms("null") == ("null", None)
    assert [type(each) for each in forms("true")] == [str, bool]
    for text in ("05", "+5", "5.0", "", "-", "--5", "٥", "True", "9" * 30, str(2**64)):  # noqa: RUF001
        assert forms(text) == (text,)
    assert forms(str(2**64 - 1)) == (str(2**64 - 1), 2**64 - 1)


def test_key_is_meant_exactly_where_all_its_text_forms_are_those_given() -> None:
    random = Random(seed(3))
    values: list[KeyValue] = ["1", 1, True, "true", False, None, "null", "", 0, -7, "(other)", "/ä", 256]
    for _ in range(examples(500)):
        key = [random.choice(values) for _ in range(3)]
        given = tuple(random.choice([None, text_of(random.choice([*key, *values]))]) for _ in key)
        match, encoded = Match(given), encode_key(key)
        expected = all(text is None or text == text_of(value) for text, value in zip(given, key, strict=True))
        assert match.accepts(encoded) is expected
        if match.is_one_key:
            assert (encoded in match.encoded()) is expected
        if expected:
            assert all(any(form in encoded for form in forms_) for forms_ in match.parts())


def test_other_is_meant_by_its_text_and_where_nothing_is_given() -> None:
    meant = [(), (None,), ("(other)",), ("(other)", None), ("(other)", "(other)")]
    assert [Match(given).accepts(OTHER) for given in meant] == [True] * 5
    assert not Match(("(other)", "x")).accepts(OTHER)
    assert not Match(("x",)).accepts(OTHER)
    assert not Match(("(other)",)).is_one_key  # it has a place in every task
    assert Match().is_one_key  # a metric without keys has one


def test_partitions_are_spelled_as_ranges_and_read_back() -> None:
    assert partition_list.spelled([3, 0, 1, 2, 7]) == "0-3,7"
    random = Random(seed(4))
    for _ in range(examples(50)):
        some = sorted(random.sample(range(1000), random.randrange(40)))
        assert partition_list.read(partition_list.spelled(some), 1000) == some
    for text in ("x", "1-", "-1", "3-1", "4", "0-4", "1,,2", "1 ", "9" * 9):
        with pytest.raises(ValueError, match="range"):
            partition_list.read(text, 4)


class Maker:
    """Makes answers; counts how often."""

    def __init__(self) -> None:
        self.made = 0
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def __call__(self) -> int:
        self.made += 1
        number = self.made
        await self.may_end.wait()
        return number


async def test_answer_is_kept_for_a_second_and_no_longer() -> None:
    now_s = [10.0]
    make, recent = Maker(), Recent[int](2, clock=lambda: now_s[0])
    assert [await recent.get("a", make), await recent.get("a", make)] == [1, 1]
    now_s[0] += 0.999
    assert await recent.get("a", make) == 1
    now_s[0] += 0.002
    assert await recent.get("a", make) == 2


async def test_few_answers_are_kept_and_the_oldest_goes_first() -> None:
    make, recent = Maker(), Recent[int](2, clock=lambda: 10.0)
    for question_ in ("a", "b", "c"):
        await recent.get(question_, make)
    assert len(recent) == 2
    assert [await recent.get("b", make), await recent.get("c", make), await recent.get("a", make)] == [
        2,
        3,
        4,
    ]


async def test_who_asks_meanwhile_shares_the_answer_also_when_the_first_one_leaves() -> None:
    make, recent = Maker(), Recent[int](2)
    make.may_end.clear()
    first, second = (asyncio.create_task(recent.get("a", make)) for _ in range(2))
    while not make.made:
        await asyncio.sleep(0)
    first.cancel()
    make.may_end.set()
    assert await second == 1
    assert make.made == 1


async def test_what_was_raised_is_not_kept() -> None:
    recent = Recent[int](2)

    async def fail() -> int:
        raise ValueError("no")

    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            await recent.get("a", fail)
    assert await recent.get("a", Maker()) == 1
