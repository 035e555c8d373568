"""Error types of the processor: one per recovery. The docstring says what the caller does next."""

from clickstream_processor.task_id import TaskId


class ProcessorError(Exception):
    """The root of this package's errors; never raised itself."""


class InvalidSettings(ProcessorError):
    """The settings file, a Secret or the environment is wrong. Print the message and exit with status 2."""


class InvalidReplay(ProcessorError):
    """The description of a replay is wrong. Print the message and exit with status 1: no retry helps."""


class ReplayFailed(ProcessorError):
    """A replay cannot go on now. Say so and exit with status 1: started again it goes on where it was."""


class InvalidErasure(ProcessorError):
    """The description of an erasure is wrong. Print the message and exit with status 1: no retry helps."""


class ErasureFailed(ProcessorError):
    """An erasure cannot go on now. Say so and exit with status 1: it may be started again."""


class MalformedRecord(ProcessorError):
    """The bytes are not a valid record. Dead-letter it with its reason, count it, keep going."""


class MalformedPartial(ProcessorError):
    """The bytes are no partial, aggregate or mark of a metric. Count it, pass over it, keep going."""


class LineFailed(ProcessorError):
    """The line failed on some click in an unnamed way. Give up the transaction, then find that click."""

    def __init__(self, task: TaskId, offset: int | None, cause: Exception) -> None:
        super().__init__(f"task {task}: {type(cause).__name__}: {cause}")
        self.task = task
        self.offset = offset  # the click's; None: one of those in hand
        self.cause = cause


class TransactionFailed(ProcessorError):
    """The transaction failed or its outcome is unknown. New producer, then R3 and R4 of protocol.md."""


class StateCorrupted(ProcessorError):
    """Local state cannot be read, or is ahead of the changelog. Delete it and restore."""


class StateTooNew(ProcessorError):
    """Local state was written by a newer version. Refuse to start the task; do not touch the state."""


class StateUnavailable(ProcessorError):
    """The volume refuses to serve the state (full, locked, I/O error). Keep it; stop the task and say so."""


class StoreClosed(ProcessorError):
    """The task's state was closed under a reader. Look the owner up again; answer 503 where there is none."""


class LayoutChanged(ProcessorError):
    """Local state was written with other windows. Stop the task and say so; do not touch the state."""


class PositionLost(ProcessorError):
    """A started task has no position, or its position is below the log's start. Stop the task and say so."""


# What to do when a position is outside the log; a message says which and how. The runbook
# ClickstreamTaskStopped says the same.
OUTSIDE_THE_LOG = (
    "Clicks were deleted before they were processed, or the topic was created again. The task skips nothing "
    "by itself: set its position to `first` (docs/how-to/operate.md) to continue with the oldest click that "
    "is there, and give the topic a longer retention"
)


class TaskBroken(ProcessorError):
    """One task's state failed in mid-work. Give up the transaction, then fix or stop that task."""

    def __init__(self, task: TaskId, cause: ProcessorError) -> None:
        super().__init__(f"task {task}: {cause}")
        self.task = task
        self.cause = cause


class TwinDetected(ProcessorError):
    """Another process runs with the same ordinal. Exit with a clear message."""


def cause_of(error: Exception) -> str:
    """Return an error's reason: of an operating system's error its text alone, without the path."""
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
