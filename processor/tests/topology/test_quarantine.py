"""What the line does with a click that it cannot process: it sets it aside before anything is written."""

from typing import Any

import pytest
from clickstream_processor.errors import StateCorrupted, StateUnavailable
from clickstream_processor.topology.pipeline import Pipeline
from clickstream_processor.topology.plan import Plan
from clickstream_processor.topology.records.records import Reason
from processor_support.lines.sample_line import T0, Captured, DictState, DictStore, click, profile, record

PLAN = Plan(clicks_topic="user-clicks", partitions=1)


class Raises:
    """An expression that fails for bob."""

    reads_fields = reads_columns = False
    click_fields: frozenset[str] | None = frozenset()

    def __init__(self, error: Exception) -> None:
        self.error = error

    def evaluate(self, clicked: Any, *_: Any) -> Any:
        if clicked.user_id == "bob":
            raise self.error
        return True


def line(state: DictState | None = None, **parts: Any) -> Any:
    state = state or DictState(PLAN)
    outputs = Captured()
    made = Pipeline(PLAN, state, 0, outputs, **parts)
    made.profiles([profile("alice"), profile("bob")])
    return made, state, outputs


ERRORS = [
    RecursionError("deep"),
    MemoryError(),
    ValueError("odd"),
    KeyError("k"),
    OverflowError(),
    UnicodeError(),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("where", ["keep", "transform"])
def test_error_of_any_class_sets_its_click_aside_and_the_others_go_on(error: Exception, where: str) -> None:
    broken = Raises(error)
    pipeline, _, out = line(**({"keep": broken} if where == "keep" else {"transform": {"x": broken}}))
    pipeline.clicks([click("alice", T0, 1), click("bob", T0, 2), click("alice", T0 + 1, 3)])
    pipeline.flush()
    assert [key for _, key, _ in out.clicks] == [b"alice", b"alice"]
    assert [(offset, reason) for offset, reason, _ in out.dead] == [(2, "processing-failed")]
    assert out.dead[0][2].startswith(type(error).__name__)
    assert [(user, clicks) for user, _, clicks, _ in out.windows()] == [("alice", 2)]
    assert pipeline.counters.dead_lettered == {"processing-failed": 1}


class Unreadable(DictStore):
    """A store whose volume fails for bob, or that holds for bob what cannot be decoded."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def get(self, key: bytes) -> bytes | None:
        if key.endswith(b"bob"):
            raise self.error
        return super().get(key)


@pytest.mark.parametrize("error", [StateUnavailable("full"), StateCorrupted("bad block")])
def test_what_the_volume_says_is_not_the_clicks_fault(error: Exception) -> None:
    made = Pipeline(PLAN, DictState(PLAN, Unreadable(error)), 0, Captured())
    with pytest.raises(type(error)):
        made.clicks([click("bob", T0)])
    with pytest.raises(type(error)):
        made.clicks([click("bob", T0, page_url="x" * 70_000)])


def test_enriched_click_larger_than_its_topic_takes_is_set_aside_before_it_is_sent() -> None:
    class Long:
        reads_fields = reads_columns = False
        click_fields: frozenset[str] | None = frozenset()

        def evaluate(self, clicked: Any, *_: Any) -> Any:
            return "x" * (2_000 if clicked.user_id == "bob" else 1)

    pipeline, _, out = line(transform={"text": Long()})
    pipeline.limit_outputs(1_500)
    pipeline.clicks([click("alice", T0, 1), click("bob", T0, 2)])
    assert len(out.clicks) == 1
    offset, reason, detail = out.dead[0]
    assert (offset, reason) == (2, "output-refused")
    assert "2" in detail
    assert "its topic takes 1500" in detail


def test_profile_too_large_for_any_enriched_click_refuses_its_users_clicks_alone() -> None:
    pipeline, _, out = line()
    pipeline.profiles([profile("bob", name="é" * 600_000)])
    pipeline.clicks([click("alice", T0, 1), click("bob", T0, 2)])
    assert [key for _, key, _ in out.clicks] == [b"alice"]
    assert [(offset, reason) for offset, reason, _ in out.dead] == [(2, "output-refused")]
    pipeline.profiles([profile("bob")])
    pipeline.clicks([click("bob", T0, 3)])
    assert [key for _, key, _ in out.clicks] == [b"alice", b"bob"]


def test_click_set_aside_leaves_nothing_but_its_letter() -> None:
    pipeline, state, out = line()
    pipeline.set_aside(click("alice", T0, 7), Reason.PROCESSING_FAILED, "2 processes ended")
    assert out.dead == [(7, "processing-failed", "2 processes ended")]
    assert (out.clicks, pipeline.flush(), state.stream_ms) == ([], [], -1)
    assert pipeline.counters.clicks == 1


def test_profile_nested_too_deeply_is_refused_and_the_table_goes_on() -> None:
    pipeline, _, out = line()
    deep = b'{"user_id":"bob","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    pipeline.profiles([record(b"bob", deep), profile("alice", name="New")])
    pipeline.clicks([click("alice", T0), click("bob", T0)])
    assert [value["user_name"] for value, _, _ in out.clicks] == ["New", "Bob"]
    assert sum(pipeline.counters.profiles_refused.values()) == 1
