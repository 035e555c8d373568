"""Kafka's admin interface, over the brokers' plain listener."""

import socket

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

_clients: dict[str, AdminClient] = {}


def is_there(cluster: str, namespace: str) -> bool:
    """Tell whether the namespace has this Kafka: the real topic operator sees its Kafka's namespace only."""
    try:
        return bool(socket.getaddrinfo(f"{cluster}-kafka-bootstrap.{namespace}.svc", 9092))
    except OSError:
        return False


def client(cluster: str, namespace: str) -> AdminClient:
    """Return the client of a Kafka cluster of a namespace."""
    bootstrap = f"{cluster}-kafka-bootstrap.{namespace}.svc:9092"
    if bootstrap not in _clients:
        _clients[bootstrap] = AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})
    return _clients[bootstrap]


class TopicRefused(Exception):
    """Kafka, or the topic operator, does not do what the KafkaTopic asks. The text says why."""


def make_topic(admin: AdminClient, name: str, partitions: int, replicas: int, config: dict[str, str]) -> None:
    """Make the topic as it must be. Raises TopicRefused."""
    try:
        metadata = admin.list_topics(timeout=10).topics.get(name)
        if metadata is None or metadata.error is not None:
            wanted = NewTopic(name, num_partitions=partitions, replication_factor=replicas, config=config)
            admin.create_topics([wanted])[name].result(20)
            return
        present = len(metadata.partitions)
        if present > partitions:
            raise TopicRefused(f"Decreasing partitions not supported: {present} to {partitions}")
        if present < partitions:
            admin.create_partitions([NewPartitions(name, partitions)])[name].result(20)
        if len(metadata.partitions[0].replicas) != replicas:
            raise TopicRefused("Replication factor change not supported, but required for partitions")
        _configure(admin, name, config)
    except KafkaException as error:
        raise TopicRefused(str(error.args[0])) from error


def _configure(admin: AdminClient, name: str, config: dict[str, str]) -> None:
    resource = ConfigResource(ResourceType.TOPIC, name)
    found = admin.describe_configs([resource])[resource].result(20)
    changed = [
        ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
        for key, value in config.items()
        if key not in found or found[key].value != value
    ]
    if changed:
        new = ConfigResource(ResourceType.TOPIC, name, incremental_configs=changed)
        admin.incremental_alter_configs([new])[new].result(20)


def delete_topic(admin: AdminClient, name: str) -> None:
    """Delete the topic, if it is there. Raises TopicRefused."""
    try:
        if name in admin.list_topics(timeout=10).topics:
            admin.delete_topics([name])[name].result(20)
    except KafkaException as error:
        raise TopicRefused(str(error.args[0])) from error


def set_password(admin: AdminClient, user: str, password: str) -> None:
    """Let a SCRAM user in with this password."""
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    change = UserScramCredentialUpsertion(user, info, password.encode())
    admin.alter_user_scram_credentials([change])[user].result(20)
