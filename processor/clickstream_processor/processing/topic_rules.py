"""What the options of each topic must be, for what the pipeline does with it. Pure.

Topics that the operator makes fit; those that somebody made by hand (`topics.manage: false`, or an older
KafkaTopic) may not. A task is stopped only where nothing could be committed: all else is told, and goes on.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from clickstream_processor.kafka.topic_limits import DEFAULT_MAX_BYTES, Options
from clickstream_processor.settings.settings import Settings
from clickstream_processor.topic_finding import TopicFinding

ANY_TIME_MS = 2**63 - 1
DEFAULT_AHEAD_MS = 3_600_000  # of message.timestamp.after.max.ms
# How long a pipeline may be down and still find its open windows in the changelog: as the operator makes it.
DOWNTIME_MS = 7 * 86_400_000


@dataclass(frozen=True, slots=True)
class _Seen:
    """One topic as the brokers have it."""

    name: str
    options: Options
    replicas: int  # copies of the partition that has fewest; 0: not known

    def number(self, option: str, default: int) -> int:
        try:
            return int(self.options[option])
        except (KeyError, ValueError):
            return default

    def has_policy(self, policy: str) -> bool:
        return policy in self.options.get("cleanup.policy", "delete").split(",")

    def finding(
        self, option: str, needed: str, why: str, wanted: str = "", *, stops: bool = False
    ) -> TopicFinding:
        value = self.options.get(option, "not set")
        return TopicFinding(self.name, option, value, needed, why, wanted, stops)


_Rule = Callable[[_Seen], Iterator[TopicFinding]]


def findings(
    settings: Settings,
    options: Mapping[str, Options],
    replicas: Mapping[str, int],
    unreadable: Mapping[str, str],
) -> tuple[TopicFinding, ...]:
    """Return all that does not fit, in the order of the topics; topics of which nothing is known fit."""
    found = []
    for topic, rules in _rules(settings, options).items():
        if topic in unreadable:
            found.append(_unreadable(topic, unreadable[topic]))
        elif topic in options:
            seen = _Seen(topic, options[topic], replicas.get(topic, 0))
            found += [finding for rule in rules for finding in rule(seen)]
    return tuple(found)


def _rules(settings: Settings, options: Mapping[str, Options]) -> dict[str, tuple[_Rule, ...]]:
    topics, window = settings.topics, settings.processing.window
    clicks = _Seen(topics.clicks, options.get(topics.clicks, {}), 0)
    ahead_ms = _ahead_ms(clicks)
    event_ms = min(ANY_TIME_MS, ahead_ms + settings.processing.max_future_ms)
    sessions = settings.processing.sessions
    open_ms = 0 if sessions is None else 2 * sessions.gap_ms + sessions.grace_ms
    dedup = settings.processing.dedup
    seen_ms = 0 if dedup is None else 3 * dedup.within_ms
    life_ms = max(window.size_ms + window.grace_ms + window.retention_ms, open_ms, seen_ms) + DOWNTIME_MS
    letters_bytes = max(DEFAULT_MAX_BYTES, clicks.number("max.message.bytes", 0))
    output = (_keeps_all, _keeps_times, partial(_takes_size, needed=DEFAULT_MAX_BYTES), _is_safe)
    stream = (*output, _keeps_event_time, partial(_takes_future, needed_ms=event_ms))
    rules: dict[str, tuple[_Rule, ...]] = {
        topics.clicks: (_keeps_all,),
        **({} if settings.processing.join.type == "none" else {topics.profiles: (_keeps_newest,)}),
        topics.enriched: stream,
        topics.metrics: stream,
        topics.dead_letters: (
            *(_keeps_all, _keeps_times, partial(_takes_size, needed=letters_bytes), _is_safe),
            partial(_takes_future, needed_ms=ahead_ms),
        ),
        settings.changelog_topic: (
            *(_is_compacted, partial(_keeps_long, needed_ms=life_ms)),
            *(partial(_takes_size, needed=DEFAULT_MAX_BYTES), _is_safe),
        ),
        settings.positions_topic: (_keeps_newest, _is_safe),
    }
    if sessions is not None:
        rules[sessions.topic] = (
            *(_keeps_times, _is_safe, _keeps_event_time, partial(_takes_size, needed=DEFAULT_MAX_BYTES)),
            partial(_takes_future, needed_ms=event_ms),
        )
    if topics.partitioner == "any":
        rules[settings.arrivals_topic] = (
            *(*output, _keeps_record_time, partial(_takes_future, needed_ms=ahead_ms)),
            partial(_outlives, clicks=clicks),
        )
    return rules


def _ahead_ms(clicks: _Seen) -> int:
    """Return how far a click's record time may be ahead of the brokers' clock."""
    if clicks.options.get("message.timestamp.type") == "LogAppendTime":
        return 0
    return clicks.number("message.timestamp.after.max.ms", DEFAULT_AHEAD_MS)


def _keeps_all(seen: _Seen) -> Iterator[TopicFinding]:
    if seen.has_policy("compact"):
        why = "of the records of a user all but the newest are deleted, and a record without key is refused"
        yield seen.finding("cleanup.policy", "delete", why, "delete")


def _keeps_newest(seen: _Seen) -> Iterator[TopicFinding]:
    if not seen.has_policy("compact") or seen.has_policy("delete"):
        why = "records are deleted by age, also the newest of a key, and are missing at the next restore"
        yield seen.finding("cleanup.policy", "compact", why, "compact")


def _is_compacted(seen: _Seen) -> Iterator[TopicFinding]:
    if not seen.has_policy("compact") or not seen.has_policy("delete"):
        why = "without compact a restore reads every change; without delete old windows stay forever"
        yield seen.finding("cleanup.policy", "compact,delete", why, "compact,delete")


def _keeps_long(seen: _Seen, needed_ms: int) -> Iterator[TopicFinding]:
    if not seen.has_policy("delete"):
        return
    if 0 <= seen.number("retention.ms", -1) < needed_ms:
        why = (
            "counts of windows that are still open or readable are deleted, and are missing after a restore "
            "(needed are window.size, grace, retention and 7 days of downtime)"
        )
        yield seen.finding("retention.ms", f"{needed_ms} or more", why, str(needed_ms))
    if seen.number("retention.bytes", -1) >= 0:
        why = "counts are deleted by size, and are missing after a restore"
        yield seen.finding("retention.bytes", "-1", why, "-1")


def _keeps_times(seen: _Seen) -> Iterator[TopicFinding]:
    behind_ms = seen.number("message.timestamp.before.max.ms", ANY_TIME_MS)
    if behind_ms < ANY_TIME_MS and not _is_append_time(seen):
        why = f"what belongs to a click that is more than {behind_ms} ms old is refused"
        yield seen.finding("message.timestamp.before.max.ms", str(ANY_TIME_MS), why, str(ANY_TIME_MS))


def _keeps_event_time(seen: _Seen) -> Iterator[TopicFinding]:
    if _is_append_time(seen):
        why = "the records' Kafka time is that of their writing, not the event time"
        yield seen.finding("message.timestamp.type", "CreateTime", why, "CreateTime")


def _keeps_record_time(seen: _Seen) -> Iterator[TopicFinding]:
    if _is_append_time(seen):
        why = "the times at which clicks came, which bound what their event times may claim, are lost"
        yield seen.finding("message.timestamp.type", "CreateTime", why, "CreateTime")


def _outlives(seen: _Seen, clicks: _Seen) -> Iterator[TopicFinding]:
    """Both topics keep a record by the time at which the click came: what one holds, the other must."""
    needed_ms = clicks.number("retention.ms", 0)
    kept_ms = seen.number("retention.ms", -1)
    why = "clicks are deleted before they are processed, and their task stops"
    if kept_ms >= 0 and (needed_ms < 0 or kept_ms < needed_ms):
        needed = "-1" if needed_ms < 0 else f"{needed_ms} or more"
        yield seen.finding("retention.ms", needed, f"{why}: {clicks.name} keeps them longer", str(needed_ms))
    if seen.number("retention.bytes", -1) >= 0:
        yield seen.finding("retention.bytes", "-1", why, "-1")


def _takes_future(seen: _Seen, needed_ms: int) -> Iterator[TopicFinding]:
    ahead_ms = seen.number("message.timestamp.after.max.ms", ANY_TIME_MS)
    if ahead_ms < needed_ms and not _is_append_time(seen):
        why = (
            f"a click may be {needed_ms} ms ahead (processing.maxFuture and what the topic of the clicks "
            "lets in), and what belongs to it is refused"
        )
        needed = f"{needed_ms} or more"
        yield seen.finding("message.timestamp.after.max.ms", needed, why, str(ANY_TIME_MS))


def _takes_size(seen: _Seen, needed: int) -> Iterator[TopicFinding]:
    if seen.number("max.message.bytes", needed) < needed:
        why = "a larger record is refused: its click is set aside, and of a dead letter the payload is cut"
        yield seen.finding("max.message.bytes", f"{needed} or more", why, str(needed))


def _is_safe(seen: _Seen) -> Iterator[TopicFinding]:
    least = seen.number("min.insync.replicas", 1)
    if 0 < seen.replicas < least:
        needed = f"at most {seen.replicas}, the copies there are"
        yield seen.finding("min.insync.replicas", needed, "no write is taken", str(seen.replicas), stops=True)
    elif seen.replicas >= 3 and least < 2:
        why = "a write counts when one broker has it, and is lost with that broker"
        yield seen.finding("min.insync.replicas", "2 or more", why, str(seen.replicas - 1))


def _is_append_time(seen: _Seen) -> bool:
    return seen.options.get("message.timestamp.type") == "LogAppendTime"


def _unreadable(topic: str, error: str) -> TopicFinding:
    why = f"its limits are not known ({error.rstrip('.')}) and Kafka's defaults are taken for them"
    return TopicFinding(topic, "the ACL DescribeConfigs", "missing", "allowed for the pods' user", why)
