"""Which clicks a task must be careful with after a failure, and which it sets aside. Pure: no I/O, no clock.

An exception in the line, or a record that the brokers refuse for what it is, is one click's fault. The clicks
of that partition that were in hand are then suspects; its task goes on carefully until they are behind it:

1. Suspects go through the line one by one, in transactions of their own, and each record is sent alone:
   whatever fails names its click.
2. A failure that names none of several clicks (of a count, say) is narrowed down: the next transaction takes
   a sixteenth of them.
3. A click that failed alone has a verdict: the next transaction holds its dead letter instead of its outputs.
   Where that letter is refused too, a letter without payload; where even that one is, the task stops.
4. A process that died leaves the attempt in the task's position (`Position.attempts`): the next owner is
   careful from there, and a click with which two processes died alone has a verdict (ADR 0050).

An error that speaks of no record (a lost connection, a fenced producer) never leads to a verdict.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from clickstream_processor.processing.output.task_outputs import Refusal
from clickstream_processor.task_id import TaskId
from clickstream_processor.topology.interfaces import Message
from clickstream_processor.topology.records.records import Reason

NARROW = 16
SLICE = 500  # suspects of one transaction at most: the good ones among them get on
# After a death nothing tells how far the process had come: so many clicks alone, then so many in tens.
ALONE_AFTER_DEATH, TENS_AFTER_DEATH = 100, 900

# What Position.attempts says: clicks from the position on were begun together, or the first of them alone.
BEGUN, BEGUN_ALONE = 1, 2
GUILTY = BEGUN_ALONE + 1  # two processes died while they worked on this click alone


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a click is set aside."""

    reason: Reason
    error: str
    bare: bool = False  # its letter was refused, or was the end of a process: send one without the payload


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Clicks of one task that were in hand when something failed."""

    until: int  # the first offset that is not suspect
    size: int = SLICE  # clicks of one transaction
    failed: bool = True  # in this process
    died: bool = False  # another process died: say each attempt before it is made
    alone_until: int = -1  # after a death: up to here one by one


class Quarantine:
    """The suspects and verdicts of a pod's tasks. Used by the worker's thread only."""

    def __init__(self) -> None:
        self._suspicions: dict[TaskId, Suspicion] = {}
        self._verdicts: dict[TaskId, dict[int, Verdict]] = {}
        self._begun: dict[TaskId, tuple[int, int]] = {}  # epoch and position told as begun, last

    @property
    def careful(self) -> bool:
        """Tell whether a task is, after a failure here: each record is then sent alone, to be named."""
        return any(suspicion.failed for suspicion in self._suspicions.values())

    def suspicion(self, task: TaskId) -> Suspicion | None:
        """Return what a task must be careful with; None: nothing."""
        return self._suspicions.get(task) if self._suspicions else None  # asked for each run of records

    def verdicts(self, task: TaskId) -> Mapping[int, Verdict]:
        """Return the verdicts of a task's clicks, by offset."""
        return self._verdicts.get(task, {})

    def take(self, task: TaskId, messages: Sequence[Message]) -> Sequence[Message]:
        """Return the clicks of the next careful transaction, first ones first; empty: go on as usual."""
        suspicion = self._suspicions.get(task)
        if suspicion is None or not messages or messages[0].offset() >= suspicion.until:
            return ()
        size = 1 if messages[0].offset() < suspicion.alone_until else suspicion.size
        return messages[:size]

    def known(self, task: TaskId) -> object:
        """Return what is known of a task's clicks; it differs once something was learned."""
        suspicion = self._suspicions.get(task)
        return suspicion and suspicion.size, dict(self.verdicts(task))

    def suspect(self, task: TaskId, until: int) -> None:
        """Be careful with the clicks that were in hand when something failed."""
        before = self._suspicions.get(task)
        if before is None:
            self._suspicions[task] = Suspicion(until)
        else:
            self._suspicions[task] = replace(before, until=max(until, before.until), failed=True)

    def narrow(self, task: TaskId, in_hand: int) -> None:
        """One of several clicks is to blame and it is not known which: take a sixteenth of them next time."""
        before = self._suspicions.get(task)
        if before is not None:
            self._suspicions[task] = replace(before, size=max(1, min(in_hand, SLICE) // NARROW))

    def took_over(self, task: TaskId, epoch: int, position: int, attempts: int) -> None:
        """A task starts here. Positive `attempts` of another process: it began these clicks and died."""
        if attempts <= 0 or self._begun.get(task, (-1, -1))[0] == epoch:
            return
        alone = position + ALONE_AFTER_DEATH
        self._suspicions[task] = Suspicion(
            until=alone + TENS_AFTER_DEATH, size=10, failed=False, died=True, alone_until=alone
        )
        if attempts >= GUILTY:
            deaths = attempts - BEGUN_ALONE + 1
            error = f"{deaths} processes ended, without a word, while they worked on this click alone"
            bare = attempts > GUILTY  # one more has died since the verdict: with the letter
            self.convict(task, position, Verdict(Reason.PROCESSING_FAILED, error, bare=bare))

    def failed(self, task: TaskId, first: int, in_hand: int, offset: int | None, error: Exception) -> None:
        """The line of a careful task raised an error with `in_hand` clicks from `first` on in hand.

        `offset`: of the click it was raised for; None: while their counts were written.
        """
        if offset is None and in_hand > 1:
            self.narrow(task, in_hand)
            return
        verdict = Verdict(Reason.PROCESSING_FAILED, f"{type(error).__name__}: {error}")
        self.convict(task, first if offset is None else offset, verdict)

    def refused(self, task: TaskId, first: int, in_hand: int, refusals: Sequence[Refusal]) -> str | None:
        """Take in what the brokers refused of a careful transaction: `in_hand` clicks from `first` on.

        Returns what to stop the task with, where even a letter without payload was refused.
        """
        if not refusals or in_hand < 1:
            return None
        named = {refusal.offset: refusal.error for refusal in refusals if refusal.offset is not None}
        if not named and in_hand > 1:
            self.narrow(task, in_hand)
            return None
        for offset, error in (named or {first: refusals[0].error}).items():
            before = self.verdicts(task).get(offset)
            if before is None:
                self.convict(task, offset, Verdict(Reason.OUTPUT_REFUSED, error))
            elif not before.bare:
                self.convict(task, offset, replace(before, bare=True))
            else:
                return f"even a dead letter without payload is refused, of offset {offset}: {error}"
        return None

    def convict(self, task: TaskId, offset: int, verdict: Verdict) -> None:
        """Set a click aside from now on."""
        self._verdicts.setdefault(task, {})[offset] = verdict
        self.suspect(task, offset + 1)
        suspicion = self._suspicions[task]
        if not suspicion.died:
            self._suspicions[task] = replace(suspicion, size=SLICE)

    def committed(self, task: TaskId, position: int) -> None:
        """Forget what lies before a committed position."""
        suspicion = self._suspicions.get(task)
        if suspicion is not None and position >= suspicion.until:
            del self._suspicions[task]
        verdicts = self._verdicts.get(task)
        if verdicts:
            left = {offset: verdict for offset, verdict in verdicts.items() if offset >= position}
            if left:
                self._verdicts[task] = left
            else:
                del self._verdicts[task]

    def to_tell(self, task: TaskId, epoch: int, position: int) -> bool:
        """Return whether the task's position must say that clicks are begun, before they are.

        Once for each task that this process takes over; where a process died, for each careful transaction.
        """
        suspicion = self.suspicion(task)
        told_epoch, told_position = self._begun.get(task, (-1, -1))
        return told_epoch != epoch or (suspicion is not None and suspicion.died and told_position != position)

    def told(self, task: TaskId, epoch: int, position: int) -> None:
        """The position says so, committed."""
        self._begun[task] = (epoch, position)

    def keep(self, tasks: Iterable[TaskId]) -> None:
        """Forget the tasks that are not among these: who has them finds out by itself."""
        kept = frozenset(tasks)
        for of_tasks in (self._suspicions, self._verdicts, self._begun):
            for task in of_tasks.keys() - kept:
                del of_tasks[task]


def next_attempts(attempts: int, alone: bool) -> int:
    """Return what the position says before clicks are begun again, alone or not."""
    return max(attempts + 1, BEGUN_ALONE) if alone else max(attempts, BEGUN)
