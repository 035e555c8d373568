"""What the pipeline must have made of the clicks: an independent, slow and plain count.

It shares no code with the processor and reads the same topic. Pure: clicks and profiles in,
expectations out.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from clickstream_operator.spec.clickpipeline import ClickPipeline
from clickstream_operator.spec.fields import duration_ms
from confluent_kafka import murmur2

from clickstream_local.load.profiles import Profile

FIELDS = {"user_id": str, "page_url": str, "action": str, "timestamp": int}
BUCKET_MS = 1_000
EARLIEST_MS, LATEST_MS = 10**11, 2**53  # event times that a click can have
HALVES = re.compile("[\ud800-\udfff]")  # of characters: no text of a click holds one
LATE = "late"
UNMATCHED = "unmatched"

ProfileAt = Callable[[str, int, int], Profile | None]
"""(user, partition, offset of the click) -> the profile that the click must have met."""


@dataclass(frozen=True, slots=True)
class Click:
    """One record as it lies in the clicks topic."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes
    record_ms: int


@dataclass(frozen=True, slots=True)
class Rules:
    """What of the ClickPipeline the model knows."""

    clicks_topic: str
    partitions: int
    window_ms: int
    grace_ms: int
    max_future_ms: int
    left_out: str = "heartbeat"  # the action the filter leaves out

    @property
    def lead_ms(self) -> int:
        """How far an event time may lead the record time and still move stream time whole."""
        return min(self.grace_ms, self.max_future_ms)

    @classmethod
    def of(cls, pipeline: ClickPipeline) -> "Rules":
        """Return the rules of a pipeline that filters as the reference does."""
        topics, processing = pipeline.spec.topics, pipeline.spec.processing
        window = processing.window
        return cls(
            clicks_topic=topics.clicks,
            partitions=topics.partitions,
            window_ms=duration_ms(window.size),
            grace_ms=duration_ms(window.grace),
            max_future_ms=duration_ms(processing.max_future),
        )


@dataclass(slots=True)
class Expected:
    """The outputs that must be there, each exactly once."""

    clicks: int = 0
    filtered: int = 0
    enriched: dict[str, dict[str, Any]] = field(default_factory=dict)  # event id -> record
    dead: dict[tuple[int, int], str] = field(default_factory=dict)  # partition, offset -> reason
    windows: Counter[tuple[str, int]] = field(default_factory=Counter)  # user, window start -> clicks
    seconds: dict[str, Counter[int]] = field(
        default_factory=lambda: defaultdict(Counter)
    )  # user -> second -> clicks

    def rolling(self, user: str, at_ms: int, size_ms: int) -> int:
        """Return the counted clicks of the `size_ms` before `at_ms`, in whole seconds."""
        now_s = at_ms // BUCKET_MS
        first = now_s - size_ms // BUCKET_MS
        return sum(count for second, count in self.seconds[user].items() if first < second <= now_s)


def expect(clicks: Iterable[Click], profile_at: ProfileAt, rules: Rules) -> Expected:
    """Return what must come of the clicks. Within a partition they must be in order."""
    expected = Expected()
    stream_ms: Counter[int] = Counter()
    record_ms: Counter[int] = Counter()
    for click in clicks:
        expected.clicks += 1
        place = (click.partition, click.offset)
        reason, fields = judge(click, rules)
        if fields and fields["timestamp"] > record_ms[click.partition] + rules.lead_ms:
            record_ms[click.partition] = max(record_ms[click.partition], click.record_ms)
        if reason:
            expected.dead[place] = reason
            continue
        user, event_ms = fields["user_id"], fields["timestamp"]
        profile = profile_at(user, *place)
        if profile is None:
            expected.dead[place] = UNMATCHED
        elif fields["action"] == rules.left_out:
            expected.filtered += 1
        else:
            event_id = f"{rules.clicks_topic}-{click.partition}-{click.offset}"
            expected.enriched[event_id] = _enriched(event_id, fields, profile)
            stream_ms[click.partition] = max(
                stream_ms[click.partition], min(event_ms, record_ms[click.partition] + rules.lead_ms)
            )
            start_ms = event_ms - event_ms % rules.window_ms
            if stream_ms[click.partition] >= start_ms + rules.window_ms + rules.grace_ms:
                expected.dead[place] = LATE
            else:
                expected.windows[user, start_ms] += 1
                expected.seconds[user][event_ms // BUCKET_MS] += 1
    return expected


def judge(click: Click, rules: Rules) -> tuple[str, dict[str, Any]]:
    """Return the reason against a click ("" for none) and its fields."""
    try:
        fields = json.loads(click.value)
    except ValueError:
        return "not-json", {}
    if any(name not in fields for name in FIELDS):
        return "missing-field", {}
    for name, kind in FIELDS.items():
        if type(fields[name]) is not kind or (kind is str and HALVES.search(fields[name])):
            return "mistyped-field", {}
    if not 0 <= fields["timestamp"] <= LATEST_MS:
        return "implausible-time", {}
    if click.key is None:
        return "null-key", {}
    if click.key != fields["user_id"].encode():
        return "key-mismatch", {}
    if murmur2(click.key, rules.partitions) != click.partition:
        return "wrong-partition", {}
    if fields["timestamp"] > click.record_ms + rules.max_future_ms:
        return "too-far-in-future", fields
    if fields["timestamp"] < EARLIEST_MS:
        return "implausible-time", fields
    return "", fields


def _enriched(event_id: str, fields: dict[str, Any], profile: Profile) -> dict[str, Any]:
    return {
        "event_id": event_id,
        "user_id": fields["user_id"],
        "user_name": profile.name,
        "country": profile.country,
        "plan_tier": profile.plan_tier,
        "page_url": fields["page_url"],
        "action": fields["action"],
        "timestamp": fields["timestamp"],
    }
