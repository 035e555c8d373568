"""The topics of a pipeline: what they must be, and the KafkaTopics that make them so.

`local/` creates the same topics from the same list with Kafka's admin client.
"""

from dataclasses import dataclass
from typing import Any

from clickstream_operator.manifests.names import (
    ACKS,
    ARRIVALS,
    ASSIGNMENT,
    CHANGELOG,
    CLUSTER_LABEL,
    IDENTITIES,
    INTERNAL_LABEL,
    METRICS_CHANGELOG,
    NOTIFICATIONS,
    PARTIALS,
    POSITIONS,
    internal_topic,
    labels,
    topic_object,
)
from clickstream_operator.spec.clickpipeline import ClickPipeline, Window
from clickstream_operator.spec.fields import duration_ms
from clickstream_operator.spec.metric import MetricWindow

DAY_MS = 86_400_000
# How long a pipeline may be down and still find its open windows in the changelog, and in the partials what
# clicks have added to metrics.
DOWNTIME_ALLOWANCE_MS = 7 * DAY_MS
# A reader that was away for longer than this may miss a tombstone and restores from the start.
TOMBSTONES_KEPT_MS = 7 * DAY_MS
DEAD_LETTERS_KEPT_MS = 30 * DAY_MS
# Brokers refuse record times more than an hour ahead, and may be told to refuse old ones; the processor has
# judged the event time by `maxFuture` already.
ANY_TIME = str(2**63 - 1)
# A click's record time says when it came, and bounds what its own `timestamp` may claim (ADR 0051): the
# brokers' clock has to say it, not the clock that may be wrong.
BROKERS_TIME = {"message.timestamp.type": "LogAppendTime"}
# Small segments: compaction leaves the active one alone, and each restart reads these topics to their end.
SMALL_SEGMENT_BYTES = 16 << 20
# A click has the same time in the topic between the stages as in that of the clicks, and would be deleted
# with it: so far the second stage may be behind the first.
ARRIVALS_KEPT_MORE_MS = 7 * DAY_MS


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One topic as it must be. `internal`: belongs to the pipeline alone, named after its id."""

    name: str
    partitions: int
    replicas: int
    config: dict[str, str]
    internal: bool


def topic_specs(pipeline: ClickPipeline) -> list[TopicSpec]:
    """Return every topic of the pipeline, the shared ones first."""
    topics = pipeline.spec.topics
    kept_ms = duration_ms(topics.retention)
    durable = {"min.insync.replicas": str(max(1, topics.replicas - 1))}

    def shared(name: str, config: dict[str, str]) -> TopicSpec:
        return TopicSpec(name, topics.partitions, topics.replicas, durable | config, internal=False)

    def internal(purpose: str, partitions: int, config: dict[str, str]) -> TopicSpec:
        name = internal_topic(pipeline, purpose)
        return TopicSpec(name, partitions, topics.replicas, durable | config, internal=True)

    metrics, sessions = pipeline.spec.processing.metrics, pipeline.spec.processing.sessions
    of_metrics = [metric.topic for metric in metrics if metric.topic]
    collects = pipeline.spec.collector is not None
    # Partials are kept by the brokers' clock: those of an old click must outlast the wait like any other.
    of_stage = [
        internal(PARTIALS, topics.partitions, _deleted(partials_retention_ms(pipeline)) | BROKERS_TIME),
        internal(METRICS_CHANGELOG, topics.partitions, _changelog(metrics_changelog_retention_ms(pipeline))),
    ]
    has_profiles = pipeline.spec.source is not None
    return [
        shared(topics.clicks, _deleted(kept_ms) | BROKERS_TIME),
        *([shared(topics.profiles, _compacted(TOMBSTONES_KEPT_MS))] if has_profiles else []),
        shared(topics.enriched, _deleted(kept_ms) | _any_time()),
        shared(topics.metrics, _deleted(kept_ms) | _any_time()),
        shared(topics.dead_letters, _deleted(max(DEAD_LETTERS_KEPT_MS, kept_ms)) | _any_time()),
        *(shared(name, _deleted(kept_ms) | _any_time()) for name in of_metrics),
        *([shared(sessions.topic, _sessions(kept_ms))] if sessions is not None else []),
        *([internal(ARRIVALS, topics.partitions, _arrivals(kept_ms))] if topics.partitioner == "any" else []),
        internal(CHANGELOG, topics.partitions, _changelog(changelog_retention_ms(pipeline))),
        *(of_stage if metrics else ()),
        internal(POSITIONS, topics.partitions, _compacted_small()),
        internal(ASSIGNMENT, 1, _compacted_small()),
        internal(ACKS, 1, _compacted_small()),
        *([internal(NOTIFICATIONS, 1, _deleted(-1))] if pipeline.has_table else []),
        *([internal(IDENTITIES, topics.partitions, _compacted(TOMBSTONES_KEPT_MS))] if collects else []),
    ]


def changelog_retention_ms(pipeline: ClickPipeline) -> int:
    """Return how long the changelog keeps a record: the life of what the state has, and the down-time."""
    dedup = pipeline.spec.processing.dedup
    seen_ms = 0 if dedup is None else 3 * duration_ms(dedup.within)
    life_ms = max(_life_ms(pipeline.spec.processing.window), sessions_open_ms(pipeline), seen_ms)
    return life_ms + DOWNTIME_ALLOWANCE_MS


def sessions_open_ms(pipeline: ClickPipeline) -> int:
    """Return how long after its last click a session stays open; 0 without sessions."""
    sessions = pipeline.spec.processing.sessions
    return 0 if sessions is None else 2 * duration_ms(sessions.gap) + duration_ms(sessions.grace)


def metrics_changelog_retention_ms(pipeline: ClickPipeline) -> int:
    """Return the same for the changelog of metrics: the longest life that a metric's window has."""
    open_ms = {"clicks": 0, "sessions": sessions_open_ms(pipeline)}
    lives = [_life_ms(metric.window) + open_ms[metric.of] for metric in pipeline.spec.processing.metrics]
    return max(lives, default=0) + DOWNTIME_ALLOWANCE_MS


def partials_retention_ms(pipeline: ClickPipeline) -> int:
    """Return how long a task of metrics may be away: the tolerated down-time; no longer than clicks wait."""
    return min(DOWNTIME_ALLOWANCE_MS, duration_ms(pipeline.spec.topics.retention))


def kafka_topic(pipeline: ClickPipeline, topic: TopicSpec, api_version: str) -> dict[str, Any]:
    """Return the KafkaTopic of a topic. It has no owner reference: data outlives the object."""
    return {
        "apiVersion": api_version,
        "kind": "KafkaTopic",
        "metadata": {
            "name": topic_object(topic.name),
            "namespace": pipeline.namespace,
            "labels": {**_labels(pipeline, topic), CLUSTER_LABEL: pipeline.spec.kafka.cluster},
        },
        "spec": {
            "topicName": topic.name,
            "partitions": topic.partitions,
            "replicas": topic.replicas,
            "config": topic.config,
        },
    }


def _labels(pipeline: ClickPipeline, topic: TopicSpec) -> dict[str, str]:
    return labels(pipeline, "topic") | {INTERNAL_LABEL: str(topic.internal).lower()}


def _deleted(kept_ms: int) -> dict[str, str]:
    return {"cleanup.policy": "delete", "retention.ms": str(kept_ms)}


def _any_time() -> dict[str, str]:
    return {
        "message.timestamp.type": "CreateTime",
        "message.timestamp.before.max.ms": ANY_TIME,
        "message.timestamp.after.max.ms": ANY_TIME,
    }


def _sessions(kept_ms: int) -> dict[str, str]:
    """A session is told as it changes: its newest record is kept, and a tombstone takes the place of one."""
    return _deleted(kept_ms) | _any_time() | {"cleanup.policy": "compact,delete"}


def _compacted(tombstones_kept_ms: int) -> dict[str, str]:
    return {"cleanup.policy": "compact", "delete.retention.ms": str(tombstones_kept_ms)}


def _compacted_small() -> dict[str, str]:
    return {
        "cleanup.policy": "compact",
        "segment.bytes": str(SMALL_SEGMENT_BYTES),
        "min.cleanable.dirty.ratio": "0.1",
    }


def _arrivals(kept_ms: int) -> dict[str, str]:
    return _deleted(kept_ms + ARRIVALS_KEPT_MORE_MS) | {"retention.bytes": "-1"} | _any_time()


def _life_ms(window: Window | MetricWindow) -> int:
    return sum(duration_ms(text) for text in (window.size, window.grace, window.retention))


def _changelog(kept_ms: int) -> dict[str, str]:
    return {
        "cleanup.policy": "compact,delete",
        "retention.ms": str(kept_ms),
        "retention.bytes": "-1",  # whatever the brokers' default: counts go by age alone
        "delete.retention.ms": str(TOMBSTONES_KEPT_MS),
        "segment.bytes": str(4 * SMALL_SEGMENT_BYTES),
    }
