"""How far the sink connector has come, by the offsets of its consumer group."""

from collections.abc import Callable, Iterable, Mapping

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from clickstream_processor.errors import ErasureFailed
from clickstream_processor.kafka.ends import LogKey
from clickstream_processor.settings.settings import Settings

HasPassed = Callable[[LogKey, int, int], bool]


def sink_group(settings: Settings) -> str:
    """Return the group of the pipeline's sink connector."""
    return f"connect-{settings.name}-search"


def sink_is_behind(
    admin: AdminClient, group: str, ends: Mapping[LogKey, int], has_passed: HasPassed
) -> bool | None:
    """Tell whether the sink has yet to write something before these ends; None: the group has no offsets.

    `has_passed` tells whether a log has no records between two offsets. Raises KafkaException;
    ErasureFailed where the brokers do not let this user see the group.
    """
    try:
        at = _offsets(admin, group, ends)
    except KafkaException as error:
        if error.args[0].code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
            raise ErasureFailed(f"the erasure's Kafka user needs Describe on the group {group}") from error
        raise
    if all(offset < 0 for offset in at.values()):
        return None
    return not all(has_passed(key, max(0, at.get(key, 0)), end) for key, end in ends.items())


def _offsets(admin: AdminClient, group: str, keys: Iterable[LogKey]) -> dict[LogKey, int]:
    """Return the committed offsets of a group, below 0 where there is none. Raises KafkaException."""
    asked = [ConsumerGroupTopicPartitions(group, [TopicPartition(*key) for key in keys])]
    found = admin.list_consumer_group_offsets(asked)[group].result().topic_partitions or []
    for each in found:
        if each.error is not None:
            raise KafkaException(each.error)
    return {(each.topic, each.partition): each.offset for each in found}
