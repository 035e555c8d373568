"""Which letters a replay takes, and what becomes of each: sent, skipped with why, or passed over. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

from clickstream_expressions.errors import EvaluationFailed
from clickstream_expressions.letters import compile_set, compile_where

from clickstream_processor.errors import MalformedRecord
from clickstream_processor.replaying.click_again import ClickAgain, click_again, corrected
from clickstream_processor.replaying.letter import DeadLetter, unreplayable
from clickstream_processor.replaying.request import Request

WHERE_FAILED, SET_FAILED, TOO_LARGE = "where-failed", "set-failed", "too-large"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A letter that is not sent; `matched`: it was among those that the replay wants."""

    why: str
    detail: str = ""
    matched: bool = True


class Selection:
    """Decides on letters, one by one."""

    def __init__(
        self, request: Request, partitions: int, max_bytes: int, partition_of: Callable[[bytes, int], int]
    ) -> None:
        """`partitions`, `max_bytes`: of the clicks topic. Raises InvalidExpression."""
        self._request = request
        self._reasons, self._sources = frozenset(request.reasons), frozenset(request.sources)
        self._where, self._set = compile_where(request.where), compile_set(request.set)
        self._partitions, self._max_bytes, self._partition_of = partitions, max_bytes, partition_of

    def decide(self, letter: DeadLetter) -> ClickAgain | Skipped | None:
        """Return what to send, or why it is not sent; None: the replay does not want it."""
        request = self._request
        if self._reasons and letter.reason not in self._reasons:
            return None
        if request.from_ms is not None and letter.time < request.from_ms:
            return None
        if request.to_ms is not None and letter.time >= request.to_ms:
            return None
        if self._sources and (letter.first is None or letter.first.partition not in self._sources):
            return None
        if self._where is not None:
            try:
                if not self._where.evaluate(letter):
                    return None
            except EvaluationFailed as error:
                return Skipped(WHERE_FAILED, str(error), matched=False)
        why = unreplayable(letter, late=request.late == "enrich")
        if why is not None:
            return Skipped(why)
        return self._click(letter)

    def _click(self, letter: DeadLetter) -> ClickAgain | Skipped:
        try:
            value = corrected(letter, self._set)
        except EvaluationFailed as error:
            return Skipped(SET_FAILED, str(error))
        except MalformedRecord as error:
            return Skipped(SET_FAILED, f"set: {error.args[1]}")
        click = click_again(letter, value, self._request.name, self._partitions, self._partition_of)
        if click.size_bytes > self._max_bytes:
            return Skipped(TOO_LARGE, f"{click.size_bytes} bytes; the clicks topic takes {self._max_bytes}")
        return click
