"""The topics of a pipeline, as an erasure meets them: which are there, and until when they hold a record."""

import time

from confluent_kafka.admin import AdminClient

from clickstream_processor.erasing.receipt import Place
from clickstream_processor.kafka.ends import topic_setting
from clickstream_processor.settings.settings import Settings

DAY_MS = 86_400_000
TRY_S = 20.0


class PipelineTopics:
    """Asks the brokers. Used by one thread; its methods raise KafkaException."""

    def __init__(self, settings: Settings, admin: AdminClient) -> None:
        self._settings, self._admin = settings, admin

    def partitions_of(self, topic: str) -> int:
        """Return how many partitions a topic has; 0 where it is not there."""
        found = self._admin.list_topics(timeout=TRY_S).topics.get(topic)
        return 0 if found is None or found.error is not None else len(found.partitions)

    def expiring(self) -> list[Place]:
        """Return what is deleted by time, topics and state, each with when it has nothing of today."""
        settings, topics = self._settings, self._settings.topics
        names = [topics.clicks, topics.enriched, topics.metrics, topics.dead_letters]
        if topics.partitioner == "any":
            names.insert(1, settings.arrivals_topic)
        if settings.processing.metrics:
            names += [settings.partials_topic, settings.metrics_changelog_topic]
            names += [metric.topic for metric in settings.processing.metrics if metric.topic]
        there = self._admin.list_topics(timeout=TRY_S).topics
        places = [self._place(name) for name in dict.fromkeys(names) if name in there]
        if settings.processing.metrics:
            note = "where a key or a value of a metric is the user id, until its panes have expired"
            until_ms = self.until_ms(settings.metrics_changelog_topic)
            places.append(Place("state of metrics", "expires", until_ms=until_ms, note=note))
        return places

    def until_ms(self, topic: str) -> int | None:
        """Return when a record that is written now is gone for sure; None: never, or the brokers do not tell.

        Kafka deletes whole segments, by their newest record: one may take records for `segment.ms` more. By
        event time, as outputs have it, a record may be as far ahead as clicks may be.
        """
        retention_ms = topic_setting(self._admin, topic, "retention.ms")
        segment_ms = topic_setting(self._admin, topic, "segment.ms")
        if retention_ms is None or segment_ms is None or retention_ms < 0:
            return None
        ahead_ms = int(self._settings.processing.max_future_ms)
        return time.time_ns() // 1_000_000 + retention_ms + segment_ms + ahead_ms

    def _place(self, topic: str) -> Place:
        until_ms = self.until_ms(topic)
        note = "" if until_ms is not None else "no time: kept without limit, or the brokers do not tell"
        return Place(topic, "expires", until_ms=until_ms, note=note)
