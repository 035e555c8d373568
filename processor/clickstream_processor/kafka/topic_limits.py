"""The options of the pipeline's topics as the brokers have them; asked every minute, without blocking.

Whoever makes a topic decides what it takes: how large a record, how old, how far ahead. Nothing of that is
assumed where a broker tells it.
"""

import logging
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from types import MappingProxyType
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType  # type: ignore[attr-defined,unused-ignore]

log = logging.getLogger(__name__)

EVERY_S = 60.0
RETRY_S = 5.0  # until the first answer of every topic
REQUEST_TIMEOUT_S = 10.0
# Kafka's default of max.message.bytes: 1 MiB and the overhead of a batch.
DEFAULT_MAX_BYTES = 1_048_588

Options = Mapping[str, str]  # name -> value, as the brokers write it


class TopicLimits:
    """`look` is called by the worker's thread once a second; the rest may be read by any thread.

    What a topic says is kept until it says something else: an answer that fails takes nothing away.
    """

    def __init__(self, admin: AdminClient, topics: Collection[str]) -> None:
        self._admin = admin
        self._topics = tuple(topics)
        self._asked_s = float("-inf")
        self._asked: dict[str, Future[Any]] = {}
        self.options: Mapping[str, Options] = MappingProxyType({})  # topic -> options; replaced whole
        self.unreadable: Mapping[str, str] = MappingProxyType({})  # topic -> why its options are not told

    def max_bytes(self, topic: str) -> int:
        """Return the largest batch of records, compressed, that a topic takes, in bytes."""
        try:
            return int(self.options[topic]["max.message.bytes"])
        except (KeyError, ValueError):
            return DEFAULT_MAX_BYTES

    def look(self, now_s: float) -> bool:
        """Take an answer that has come, and ask when it is time; tell whether one was taken."""
        taken = bool(self._asked) and all(future.done() for future in self._asked.values())
        if taken:
            asked, self._asked = self._asked, {}
            self._take(asked)
        known = self.options.keys() | self.unreadable.keys()
        every_s = EVERY_S if known >= set(self._topics) else RETRY_S
        if not self._asked and now_s - self._asked_s >= every_s:
            self._asked_s = now_s
            resources = {ConfigResource(ResourceType.TOPIC, topic): topic for topic in self._topics}
            answers = self._admin.describe_configs(list(resources), request_timeout=REQUEST_TIMEOUT_S)
            self._asked = {resources[resource]: future for resource, future in answers.items()}
        return taken

    def _take(self, answers: Mapping[str, Future[Any]]) -> None:
        options, unreadable = dict(self.options), dict(self.unreadable)
        for topic, future in answers.items():
            error = future.exception()
            if error is None:
                unreadable.pop(topic, None)
                options[topic] = {e.name: e.value for e in future.result().values() if e.value is not None}
            elif _is_refused(error):
                if topic not in unreadable:
                    log.warning("the options of topic %s are not read: %s", topic, error)
                unreadable[topic] = str(error.args[0].str())
            else:
                log.debug("options of topic %s: %s", topic, error)
        self.options, self.unreadable = MappingProxyType(options), MappingProxyType(unreadable)


def _is_refused(error: BaseException) -> bool:
    """Tell whether the ACLs keep a topic's options from this pod."""
    return (
        isinstance(error, KafkaException)
        and isinstance(error.args[0], KafkaError)
        and error.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
    )
