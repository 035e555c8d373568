"""Waits until the pods have processed what a Job has sent: their positions say so, stage by stage."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from clickstream_processor.errors import MalformedRecord
from clickstream_processor.kafka import client
from clickstream_processor.kafka.ends import LogKey, read_logs
from clickstream_processor.kafka.log_reader import LogReader
from clickstream_processor.restoring.positions import position_in
from clickstream_processor.settings.settings import Settings
from clickstream_processor.stages.stage import Stage

log = logging.getLogger(__name__)
LOOK_BACK = 1_000  # records of the positions topic: the newest of each task is among them
LOOK_S = 0.5


@dataclass(frozen=True, slots=True)
class Awaited:
    """One task that has not come so far yet."""

    name: str
    log: LogKey
    target: int  # the offset that its position must pass


class PodPositions:
    """The newest position of each task, kept up to date. Used by one thread."""

    def __init__(self, settings: Settings, stages: Mapping[str, Stage]) -> None:
        self._settings, self._stages = settings, stages
        self._admin = client.make_admin(settings, "replay-admin")
        self._reader = LogReader(lambda: client.make_consumer(settings, "replay-position"))
        self._ends = LogReader(lambda: client.make_consumer(settings, "replay-ends"))
        self._newest: dict[str, int] = {}  # by task
        topic = settings.positions_topic
        logs = read_logs(self._admin, [(topic, number) for number in range(settings.topics.partitions)])
        self._reader.follow((*key, max(found.low, found.high - LOOK_BACK)) for key, found in logs.items())

    def wait(self, sent: Mapping[int, int], going_on: Callable[[list[Awaited]], bool]) -> list[Awaited]:
        """Wait until the pods have passed these offsets of the clicks topic, and what they have made of them.

        `going_on` is asked now and then, with what is still awaited. Returns what is so when it says no.
        """
        topic, targets = self._settings.topics.clicks, dict(sent)
        while True:
            stage = next(stage for stage in self._stages.values() if stage.input == topic)
            awaited = self._await(stage, targets, going_on)
            following = self._settings.arrivals_topic
            if awaited or topic == following or following not in stage.outputs:
                return awaited
            topic = following
            keys = [(topic, number) for number in range(self._settings.topics.partitions)]
            targets = {number: found.high for (_, number), found in read_logs(self._admin, keys).items()}

    def wait_at(
        self, topic: str, targets: Mapping[int, int], going_on: Callable[[list[Awaited]], bool]
    ) -> list[Awaited]:
        """Wait until the tasks whose input a topic is have passed these offsets of it; see `wait`."""
        stage = next(stage for stage in self._stages.values() if stage.input == topic)
        return self._await(stage, targets, going_on)

    def close(self) -> None:
        """Close the connections."""
        self._reader.close()
        self._ends.close()

    def _await(
        self, stage: Stage, targets: Mapping[int, int], going_on: Callable[[list[Awaited]], bool]
    ) -> list[Awaited]:
        left = [
            Awaited(f"{stage.name}-{number}", stage.input_of(number), target)
            for number, target in sorted(targets.items())
        ]
        while left:
            self._look()
            left = [each for each in left if not self._passed(each)]
            if left and not going_on(left):
                return left
        return left

    def _look(self) -> None:
        for records in self._reader.read(1_000, LOOK_S).records.values():
            for record in records:
                task = (record.key() or b"").decode(errors="replace")
                stage = self._stages.get(task.rpartition("-")[0])
                if stage is None:
                    continue
                try:
                    position = position_in(record, stage.input)
                except MalformedRecord as error:
                    log.warning("position of %s: %s", task, error)
                    continue
                if position is not None:
                    self._newest[task] = position.clicks

    def _passed(self, awaited: Awaited) -> bool:
        """Tell whether a task is past its target, or only control records are between: it names no such."""
        at = self._newest.get(awaited.name)
        return at is not None and self.has_passed(awaited.log, at, awaited.target)

    def has_passed(self, key: LogKey, start: int, end: int) -> bool:
        """Tell whether a log has no records between two offsets."""
        if start >= end:
            return True
        self._ends.forget([key])
        self._ends.follow([(*key, start)])
        batch = self._ends.read(1, LOOK_S)
        self._ends.forget([key])
        records = batch.records.get(key)
        return records[0].offset() >= end if records else batch.reached.get(key, -1) >= end
