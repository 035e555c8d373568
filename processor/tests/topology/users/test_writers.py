"""The two writers of enriched clicks: the hot loop's text and the whole object's JSON are the same bytes."""

from typing import Any

from clickstream_expressions.expression import compile_outputs
from clickstream_processor.topology.interfaces import Message
from clickstream_processor.topology.pipeline import Pipeline
from clickstream_processor.topology.plan import Plan
from hypothesis import given
from hypothesis import strategies as st
from processor_support.lines.sample_line import T0, Captured, DictState, click, profile

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
NULLABLE = st.none() | TEXTS


class Raw(Captured):
    """Enriched clicks as they are sent."""

    def enriched(self, value: str | bytes, *_: Any) -> None:
        self.sent = value.encode() if isinstance(value, str) else value


def written(row: Message, message: Message, **parts: Any) -> bytes:
    """Return the enriched click that a line writes."""
    plan = Plan(clicks_topic="user-clicks", partitions=1)
    out = Raw()
    pipeline = Pipeline(plan, DictState(plan), 0, out, **parts)
    pipeline.profiles([row])
    pipeline.clicks([message])
    return out.sent


@given(
    user=TEXTS.filter(bool),
    columns=st.fixed_dictionaries({"name": NULLABLE, "country": NULLABLE, "plan_tier": NULLABLE}),
    fields=st.fixed_dictionaries({"page_url": TEXTS, "action": TEXTS}),
    event_ms=st.integers(T0 - 10**11, T0),
    offset=st.integers(0, 2**62),
)
def test_both_writers_write_the_same_bytes(
    user: str, columns: dict[str, Any], fields: dict[str, Any], event_ms: int, offset: int
) -> None:
    row, message = profile(user, **columns), click(user, event_ms, offset, T0, **fields)
    by_hand = written(row, message)
    assert by_hand == written(row, message, transform=compile_outputs({"action": "click.action"}))
