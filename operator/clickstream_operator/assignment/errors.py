"""What can go wrong between a controller and Kafka; one class per recovery."""

from confluent_kafka import KafkaError, KafkaException

_NOT_ALLOWED = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
)


class Unreachable(Exception):
    """Kafka did not answer in time, or a write may have failed. Read again and go on with a new writer."""


class Superseded(Exception):
    """Another controller writes the assignment. End; it goes on from what stands in the topic."""


class PipelineMismatch(Exception):
    """The id belongs to another pipeline. End; the message says what to do."""


def explained(error: Exception | KafkaError) -> str:
    """Return an error of the client as a user should read it: with the way out where there is one."""
    inner = error.args[0] if isinstance(error, KafkaException) else error
    if not isinstance(inner, KafkaError):
        return str(inner)
    if inner.code() in _NOT_ALLOWED:
        return f"{inner.str()}: an ACL is missing, docs/how-to/prepare-kafka.md has the list"
    if inner.code() == KafkaError._NOENT:  # of all topics asked for in one request
        return "no such topic, or no broker leads it"
    return str(inner.str())
