"""Takes each restore on to its next step once what it waits for is there: steps 3 to 6 of restore.py."""

import logging
import time

from clickstream_processor.errors import StateCorrupted
from clickstream_processor.kafka.log_reader import LogReader
from clickstream_processor.restoring.gates import Gate
from clickstream_processor.restoring.positions import PositionLogs
from clickstream_processor.restoring.restores.preparation import Preparation
from clickstream_processor.restoring.restores.restore import Restore, RestoreStep
from clickstream_processor.restoring.restores.restores import STOPS, Restores
from clickstream_processor.restoring.stores import tell_damage

log = logging.getLogger(__name__)


class RestoreDriver:
    """Used by the restore thread only."""

    def __init__(
        self,
        restores: Restores,
        reader: LogReader,
        preparation: Preparation,
        positions: PositionLogs,
        snapshot: Gate,
    ) -> None:
        self._restores = restores
        self._reader = reader
        self._preparation = preparation
        self._positions = positions
        self._snapshot = snapshot

    def advance(self, task: Restore) -> None:
        """Take the steps that one restore can take now."""
        try:
            if task.store is not None and task.store.damage is not None:  # a query has found it
                raise task.store.damage
            if task.step is RestoreStep.LOOKUP:
                self._look_up(task)
            if task.step is RestoreStep.READING and task.owner and task.has_read():
                if not task.needs_snapshot():
                    self._restores.finish(task)
                else:
                    task.step = RestoreStep.WAITING
            if task.step is RestoreStep.WAITING:
                self._wait_for_snapshot(task)
        except STOPS as error:
            self._restores.refuse(task, error)
        except StateCorrupted as error:
            tell_damage(task.id, error)
            self._restores.start_over(task)

    def _look_up(self, task: Restore) -> None:
        found = task.looked_up()
        if found is None:
            return
        if not found:
            task.look_back()
            self._positions.read_for(task.id, task.positions_next)
            return
        replay = task.decide(time.time_ns() // 1_000_000)
        if task.changelog_next >= 0:  # a promoted standby reads on where it is
            task.step = RestoreStep.READING
            return
        if replay.wipe:
            log.info("task %s: the local state is too old or too new: rebuilding it", task.id)
            logs = task.logs
            self._restores.reopen(task)
            task.logs = logs
        elif replay.wipe_profiles:
            task.wipe_profiles()
        task.reads_from(replay)
        offsets = {task.stage.changelog: task.changelog_next, task.stage.table: task.profiles_next}
        self._reader.follow((*log, offsets[log[0]]) for log in self._preparation.tail_keys(task.id))

    def _wait_for_snapshot(self, task: Restore) -> None:
        if not self._snapshot.complete:
            self._snapshot.watch()
        elif (end := self._preparation.table_end(task.id)) is not None:
            task.profiles_target = end
            task.wait_for_snapshot = False
            task.step = RestoreStep.READING
