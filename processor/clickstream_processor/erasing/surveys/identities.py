"""The records of identities that name users: by their key, the previous id, or by the id that it became."""

from collections.abc import Collection, Sequence
from threading import Event

import msgspec
from confluent_kafka.admin import AdminClient

from clickstream_processor.erasing.surveys.logs import read_whole
from clickstream_processor.kafka.ends import LogKey
from clickstream_processor.settings.settings import Settings
from clickstream_processor.topology.interfaces import Message


class _Identity(msgspec.Struct):
    user_id: str = ""


def identities_of(
    settings: Settings, admin: AdminClient, topic: str, partitions: int, users: Collection[bytes], stop: Event
) -> dict[int, list[bytes]]:
    """Return the keys whose newest record names one of these users, by partition.

    Raises KafkaException; ErasureFailed where `stop` is set.
    """
    found: dict[int, dict[bytes, None]] = {number: {} for number in range(partitions)}

    def take(log: LogKey, messages: Sequence[Message]) -> None:
        keys = found[log[1]]
        for message in messages:
            key, value = message.key() or b"", message.value()
            if value is not None and (key in users or _named_in(value) in users):
                keys[key] = None
            else:
                keys.pop(key, None)

    read_whole(settings, admin, [(topic, number) for number in range(partitions)], take, stop)
    return {number: list(keys) for number, keys in found.items()}


def _named_in(value: bytes) -> bytes:
    try:
        return msgspec.json.decode(value, type=_Identity).user_id.encode(errors="replace")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return b""
