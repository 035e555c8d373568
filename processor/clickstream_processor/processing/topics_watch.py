"""Whether the pipeline's topics are as it was made for; asked again and again, without blocking.

A partition added to the clicks holds keys that no task reads, and tears clicks from their profiles; a
topic that was deleted and created again begins at offset 0. A task writes its outputs into the partition of
its own number, so an output with fewer partitions than the clicks refuses whole transactions. None of it may
pass unnoticed: processing stops, and says what to do. A broker that has just started may not know a topic
yet, so two answers must agree.
"""

import logging
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from clickstream_processor.directory import Directory
from clickstream_processor.kafka.topic_limits import TopicLimits
from clickstream_processor.processing.topic_rules import findings
from clickstream_processor.settings.settings import Settings
from clickstream_processor.stages.stage import Stages

log = logging.getLogger(__name__)

EVERY_S = 5.0
REQUEST_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Need:
    """How many partitions a topic must have; an output may have more than a task writes to."""

    partitions: int
    or_more: bool = False


class TopicsWatch:
    """Used by the worker's thread; one request is under way at most."""

    def __init__(self, admin: AdminClient, settings: Settings, stages: Stages, directory: Directory) -> None:
        self._admin = admin
        self._settings = settings
        self._directory = directory
        self._replicas: dict[str, int] = {}
        self._needs = needs_of(settings, stages)
        self.limits = TopicLimits(admin, self._needs)
        self._asked_s = float("-inf")
        self._asked: dict[str, Future[Any]] = {}
        self._suspected = ""
        self.problem = ""  # what is wrong, and what to do; empty when all is as it should be

    def look(self, now_s: float) -> bool:
        """Take an answer that has come, and ask when it is time; tell whether `problem` has changed."""
        before = self.problem
        if self.limits.look(now_s):
            self._judge_options()
        if self._asked and all(future.done() for future in self._asked.values()):
            asked, self._asked = self._asked, {}
            self._judge(asked)
        if not self._asked and now_s - self._asked_s >= EVERY_S:
            self._asked_s = now_s
            topics = TopicCollection(list(self._needs))
            self._asked = dict(self._admin.describe_topics(topics, request_timeout=REQUEST_TIMEOUT_S))
        return self.problem != before

    def _judge(self, answers: Mapping[str, Future[Any]]) -> None:
        problems = [str(found) for found in self._directory.topic_findings if found.stops]
        replicas = dict(self._replicas)
        for topic, future in answers.items():
            error = future.exception()
            if error is None:
                partitions, need = future.result().partitions, self._needs[topic]
                found = len(partitions)
                replicas[topic] = min((len(p.replicas) for p in partitions), default=0)
                if found < need.partitions and need.or_more:
                    problems.append(_too_few(topic, found, need.partitions))
                elif found != need.partitions and not need.or_more:
                    problems.append(_differs(topic, found, need.partitions))
            elif _is_missing(error):
                problems.append(_missing(topic, self._needs[topic].partitions))
            else:
                log.debug("topic %s: %s", topic, error)
                return  # no answer about one is no news about any
        if replicas != self._replicas:
            self._replicas = replicas
            self._judge_options()
        found_now = "; ".join(sorted(problems))
        if found_now == self._suspected or not found_now:
            self.problem = found_now
        self._suspected = found_now

    def _judge_options(self) -> None:
        limits, before = self.limits, self._directory.topic_findings
        found = findings(self._settings, limits.options, self._replicas, limits.unreadable)
        for finding in found:
            if finding not in before:
                log.warning("%s", finding)
        self._directory.topic_findings = found


def needs_of(settings: Settings, stages: Stages) -> dict[str, Need]:
    """Return what each of the pipeline's topics must have: tasks read and write partitions by number."""
    partitions = settings.topics.partitions
    by_number = [topic for stage in stages.values() for topic in stage.topics()]
    by_number.append(settings.positions_topic)
    outputs = [topic for stage in stages.values() for topic in stage.outputs]
    return dict.fromkeys(outputs, Need(partitions, or_more=True)) | dict.fromkeys(by_number, Need(partitions))


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


def _too_few(topic: str, found: int, wanted: int) -> str:
    return (
        f"topic {topic} has {found} partitions on the broker and topics.partitions is {wanted}: a task "
        "writes into the partition of its own number, so an output needs as many. Add them (KafkaTopic: "
        f"spec.partitions {wanted}; else kafka-topics.sh --alter --topic {topic} --partitions {wanted}), "
        "and the tasks go on by themselves"
    )


def _missing(topic: str, partitions: int) -> str:
    return (
        f"topic {topic} is not on the broker: make it with {partitions} partitions. What it held is "
        "lost, and a task whose position lies beyond what the new one holds stays stopped"
    )
