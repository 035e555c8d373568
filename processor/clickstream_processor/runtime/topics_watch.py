"""Whether the pipeline's topics are as it was made for; asked again and again, without blocking.

A partition added to the clicks holds keys that no task reads, and tears clicks from their profiles; a
topic that was deleted and made anew begins at offset 0. Neither may pass unnoticed: processing stops, and
says what to do. A broker that has just started may not know a topic yet, so two answers must agree.
"""

import logging
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

log = logging.getLogger(__name__)

EVERY_S = 5.0
REQUEST_TIMEOUT_S = 10.0


class TopicsWatch:
    """Used by the worker's thread; one request is under way at most."""

    def __init__(self, admin: AdminClient, partitions: Mapping[str, int]) -> None:
        """`partitions`: how many each topic must have; 0: any number."""
        self._admin = admin
        self._partitions = dict(partitions)
        self._asked_s = float("-inf")
        self._asked: dict[str, Future[Any]] = {}
        self._suspected = ""
        self.problem = ""  # what is wrong, and what to do; empty when all is as it should be

    def look(self, now_s: float) -> bool:
        """Take an answer that has come, and ask when it is time; tell whether `problem` has changed."""
        before = self.problem
        if self._asked and all(future.done() for future in self._asked.values()):
            asked, self._asked = self._asked, {}
            self._judge(asked)
        if not self._asked and now_s - self._asked_s >= EVERY_S:
            self._asked_s = now_s
            topics = TopicCollection(list(self._partitions))
            self._asked = dict(self._admin.describe_topics(topics, request_timeout=REQUEST_TIMEOUT_S))
        return self.problem != before

    def _judge(self, answers: Mapping[str, Future[Any]]) -> None:
        problems = []
        for topic, future in answers.items():
            error = future.exception()
            if error is None:
                found = len(future.result().partitions)
                if self._partitions[topic] not in (0, found):
                    problems.append(_differs(topic, found, self._partitions[topic]))
            elif _is_missing(error):
                problems.append(_missing(topic, self._partitions[topic]))
            else:
                log.debug("topic %s: %s", topic, error)
                return  # no answer about one is no news about any
        found_now = "; ".join(sorted(problems))
        if found_now == self._suspected or not found_now:
            self.problem = found_now
        self._suspected = found_now


def _is_missing(error: BaseException) -> bool:
    return (
        isinstance(error, KafkaException)
        and isinstance(error.args[0], KafkaError)
        and error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART
    )


def _differs(topic: str, found: int, wanted: int) -> str:
    return (
        f"topic {topic} has {found} partitions on the broker and topics.partitions is {wanted}: partitions "
        "cannot be taken back, so copy it to a topic of the right number and let a new pipeline read that, "
        "or make a new pipeline for the new number"
    )


def _missing(topic: str, partitions: int) -> str:
    number = f" with {partitions} partitions" if partitions else ""
    return (
        f"topic {topic} is not on the broker: make it{number}. What it held is lost, and a task whose "
        "position lies beyond what the new one holds stays stopped"
    )
