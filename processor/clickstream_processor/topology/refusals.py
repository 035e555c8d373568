"""Clicks that go no further: each becomes one dead letter, or is dropped, and is counted by its reason.

Pure, and none of it is on the hot path. What is the state's fault and not the record's is raised.
"""

from clickstream_expressions.errors import EvaluationFailed

from clickstream_processor.errors import MalformedRecord, ProcessorError
from clickstream_processor.topology.inspection import beginning, implausible, unit
from clickstream_processor.topology.interfaces import Message, Outputs
from clickstream_processor.topology.plan import Plan
from clickstream_processor.topology.records.codec import DECODE_ERRORS, malformation
from clickstream_processor.topology.records.records import Counters, Reason
from clickstream_processor.topology.users.users import User

# An enriched click's bytes where its topic's limit is not known: Kafka's default, less a record's frame.
MAX_OUTPUT_BYTES = 1_000_000


class Refusals:
    """Those of one task's line."""

    def __init__(self, plan: Plan, counters: Counters, outputs: Outputs) -> None:
        self._plan, self._counters, self._outputs = plan, counters, outputs
        self.max_output_bytes = MAX_OUTPUT_BYTES  # of an enriched click

    def malformed(self, message: Message, error: Exception) -> None:
        """Dead-letter a click that was not decoded, or whose key is none of this partition."""
        value = message.value()
        if isinstance(error, ProcessorError) and not isinstance(error, MalformedRecord):
            raise error  # the state's, not the record's
        if value is not None and len(value) > self._plan.max_click_bytes:
            self.oversized(message, len(value))
        elif isinstance(error, MalformedRecord):
            self.dead_letter(message, error.args[0], error.args[1])
        elif isinstance(error, DECODE_ERRORS) and not (isinstance(error, TypeError) and value is not None):
            reason, detail = malformation(error)
            self.dead_letter(message, reason, (None if value is None else beginning(value)) or detail)
        else:
            self.failed(message, error)

    def unevaluated(self, message: Message, error: Exception) -> None:
        """Dead-letter a click for which an expression, or the output made of it, has no value."""
        if isinstance(error, EvaluationFailed):
            self.dead_letter(message, Reason.EXPRESSION_ERROR, str(error))
        else:
            self.failed(message, error)

    def output(self, message: Message, size_bytes: int) -> None:
        """Dead-letter a click whose output would be larger than its topic takes."""
        detail = f"the enriched click would have {size_bytes} bytes; its topic takes {self.max_output_bytes}"
        self.dead_letter(message, Reason.OUTPUT_REFUSED, detail)

    def failed(self, message: Message, error: Exception) -> None:
        """Set a click aside that the line cannot process; what the state's volume says is not its fault."""
        if isinstance(error, ProcessorError):
            raise error
        self.dead_letter(message, Reason.PROCESSING_FAILED, f"{type(error).__name__}: {error}")

    def mismatch(self, message: Message) -> None:
        """Dead-letter a click that is too large, or whose user_id is not its key."""
        value = message.value() or b""
        if len(value) > self._plan.max_click_bytes:
            self.oversized(message, len(value))
        else:
            self.dead_letter(message, Reason.KEY_MISMATCH, "user_id is not the key")

    def future(self, message: Message, event_ms: int) -> None:
        """Dead-letter a click whose event time is too far beyond its record's."""
        record_ms = message.timestamp()[1]
        detail = f"{event_ms - record_ms} ms beyond the record's time {record_ms}"
        if unit(event_ms):
            detail = f"timestamp: {implausible(event_ms)}"
        self.dead_letter(message, Reason.TOO_FAR_IN_FUTURE, detail)

    def oversized(self, message: Message, size_bytes: int) -> None:
        """Dead-letter a click that is too large."""
        self.dead_letter(
            message, Reason.OVERSIZED, f"{size_bytes} bytes, allowed {self._plan.max_click_bytes}"
        )

    def unmatched(self, message: Message, user: User) -> None:
        """Refuse a click of a user who has no profile, or one that is too large for the output."""
        if user.head_bytes:
            self.output(message, user.head_bytes + len(message.value() or b""))
        elif self._plan.unmatched == "drop":
            self._drop(Reason.UNMATCHED)
        else:
            self.dead_letter(message, Reason.UNMATCHED, "no profile of this user")

    def late(self, message: Message, closed_ms: int) -> None:
        """Refuse a click all of whose windows were closed before."""
        if self._plan.late == "drop":
            self._drop(Reason.LATE)
        else:
            self.dead_letter(
                message, Reason.LATE, f"its windows were closed at {closed_ms - self._plan.grace_ms}"
            )

    def _drop(self, reason: Reason) -> None:
        dropped = self._counters.dropped
        dropped[reason.value] = dropped.get(reason.value, 0) + 1

    def dead_letter(self, message: Message, reason: Reason, detail: str) -> None:
        """Send the click as it came, with why, and count it."""
        dead_lettered = self._counters.dead_lettered
        dead_lettered[reason.value] = dead_lettered.get(reason.value, 0) + 1
        self._outputs.dead_letter(message, reason.value, detail)
