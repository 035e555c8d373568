"""The smoke's count of what came through the collector finds what is lost, doubled, or never answered."""

import json

import pytest
from clickstream_local.smoke.checks import Evidence
from clickstream_local.smoke.collected import check_collected
from clickstream_local.smoke.model import Click


def topic(*messages: str | None) -> list[Click]:
    """Return a topic with one click each; None: one of the generated load."""
    return [
        Click(0, offset, b"u", json.dumps({"user_id": "u", **({"message_id": m} if m else {})}).encode(), 0)
        for offset, m in enumerate(messages)
    ]


def enriched(*offsets: int) -> Evidence:
    """Return the outputs of clicks at these offsets."""
    return Evidence(enriched=[("u", {"event_id": f"user-clicks-0-{offset}"}, 0) for offset in offsets])


@pytest.mark.parametrize(
    ("answered", "clicks", "evidence", "held"),
    [
        (["a", "b"], topic("a", None, "b"), enriched(0, 1, 2), True),
        (["a", "b"], topic("a", None), enriched(0, 1), False),
        (["a"], topic("a"), enriched(), False),
        (["a"], topic("a"), enriched(0, 0), False),
        (["a"], topic("a", "a"), enriched(0, 1), False),
        (["a"], topic("a", "b"), enriched(0, 1), False),
        ([], topic(None), enriched(0), False),
    ],
    ids=["all once", "lost in Kafka", "lost after", "doubled after", "doubled in Kafka", "no answer", "none"],
)
def test_what_was_answered_is_there_once(
    answered: list[str], clicks: list[Click], evidence: Evidence, held: bool
) -> None:
    assert check_collected(answered, clicks, evidence)[0].held is held
