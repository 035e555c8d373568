"""Where tasks find their positions: one log a partition, in which the tasks of every stage write theirs.

A record's key says whose it is. One of a stage that this program does not have is passed over.
"""

from collections.abc import Sequence

from clickstream_processor.kafka.log_reader import LogReader
from clickstream_processor.state.checkpoint import Position
from clickstream_processor.task_id import TaskId
from clickstream_processor.topology.interfaces import Message


def newest_of(task: TaskId, messages: Sequence[Message], start: int = 0) -> Message | None:
    """Return a task's newest record among these, from an offset on; None: there is none."""
    key = str(task).encode()
    for message in reversed(messages):
        if message.offset() < start:
            return None
        if message.key() == key:
            return message
    return None


def position_in(record: Message, input_topic: str) -> Position | None:
    """Return what a record says; None: the position was taken back. Raises MalformedRecord, StateTooNew."""
    value = record.value()
    return None if value is None else Position.decode(value, input_topic)


class PositionLogs:
    """The positions topic, each partition read for every task that looks for its position there.

    Used by the restore thread only.
    """

    def __init__(self, topic: str, reader: LogReader) -> None:
        self._topic = topic
        self._reader = reader
        self._wanted: dict[int, set[TaskId]] = {}  # partition -> tasks

    def read_for(self, task: TaskId, start: int) -> None:
        """Read a task's log from `start` on, or from where it is read already, if that is before.

        What others have read comes again then: they pass it over.
        """
        key = (self._topic, task.partition)
        following = self._reader.next_of(key)
        if following is not None and following > start:
            self._reader.forget([key])
        if following is None or following > start:
            self._reader.follow([(*key, start)])
        self._wanted.setdefault(task.partition, set()).add(task)

    def reads_for(self, task: TaskId) -> bool:
        """Tell whether a task's log is read for it."""
        return task in self._wanted.get(task.partition, ())

    def leave(self, task: TaskId) -> None:
        """Read it no more for this task."""
        wanted = self._wanted.get(task.partition, set())
        wanted.discard(task)
        if not wanted:
            self._reader.forget([(self._topic, task.partition)])
