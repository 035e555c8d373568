"""What the brokers let the erasure's user do: asked before anything is done.

A consumer that may not read gets nothing but errors, again and again, so nobody would know how long to wait.
"""

from collections.abc import Mapping, Sequence

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient

from clickstream_processor.errors import ErasureFailed
from clickstream_processor.settings.settings import Settings

ASK_S = 30.0
PAGE = "docs/how-to/prepare-kafka.md"


def require_rights(settings: Settings, admin: AdminClient, erased_in: str) -> None:
    """Raise ErasureFailed, with all that is missing; KafkaException where the brokers do not answer.

    `erased_in`: the topic that gets the records of the erasure. Topics that are not there need no right, and
    brokers that do not tell rights are believed.
    """
    wanted = _wanted(settings, erased_in)
    answers = admin.describe_topics(
        TopicCollection(list(wanted)), include_authorized_operations=True, request_timeout=ASK_S
    )
    missing = []
    for topic, future in answers.items():
        try:
            has = future.result().authorized_operations
        except KafkaException as error:
            if error.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                missing.append(f"Describe on {topic}")
            elif error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise
            continue
        lacks = [
            right for right in wanted[topic] if has is not None and AclOperation[right.upper()] not in has
        ]
        missing += [f"{right} on {topic}" for right in lacks]
    if missing:
        raise ErasureFailed(f"the erasure's Kafka user needs {', '.join(missing)} ({PAGE})")


def _wanted(settings: Settings, erased_in: str) -> Mapping[str, Sequence[str]]:
    """Return the rights by topic."""
    topics, processing = settings.topics, settings.processing
    read = [
        settings.changelog_topic,
        settings.positions_topic,
        settings.assignment_topic,
        settings.acks_topic,
    ]
    if processing.join.type != "none":
        read.append(topics.profiles)
    if settings.sink.search is not None:
        read.append(topics.enriched)
    tombstoned = [settings.identities_topic]
    if processing.sessions is not None:
        tombstoned.append(processing.sessions.topic)
    return (
        dict.fromkeys(read, ("Read",))
        | dict.fromkeys(tombstoned, ("Read", "Write"))
        | {erased_in: ("Write",)}
    )
