"""A dead letter as a replay sees it: whose click it is, and what expressions read of it. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from clickstream_processor.dead_letters.headers import UNKNOWN_REASON, Writer
from clickstream_processor.dead_letters.letter import Letter
from clickstream_processor.topology.inspection import inspect
from clickstream_processor.topology.records.codec import DECODE_ERRORS, decode_object
from clickstream_processor.topology.records.records import Reason
from clickstream_processor.topology.records.replayed import Place, Places, Replayed

# Others count as unknown: a replay's position has room for 30 of such reasons, and history has commas.
_REASON = re.compile(r"[a-z][a-z-]{0,39}")


@dataclass(frozen=True)
class DeadLetter:
    """One letter. `place`: where it lies; `first`: where its click first arrived in the clicks topic."""

    letter: Letter
    place: Place
    first: Place | None

    @property
    def writer(self) -> Writer:
        """Return who wrote it."""
        return self.letter.said.writer

    @property
    def reason(self) -> str:
        """Return why the click became a letter."""
        said = self.letter.said.reason
        return said if _REASON.fullmatch(said) else UNKNOWN_REASON

    @property
    def detail(self) -> str:
        """Return the reason's detail."""
        return self.letter.said.detail

    @property
    def again(self) -> Replayed | None:
        """Return what it says of earlier replays."""
        return self.letter.said.again

    @property
    def key_bytes(self) -> bytes | None:
        """Return the key as it came."""
        return self.letter.key

    @property
    def value(self) -> bytes | None:
        """Return the value as it came."""
        return self.letter.value

    @property
    def time(self) -> int:
        """Return the record's time, ms; 0 where it has none."""
        return self.letter.at_ms or 0

    @property
    def attempt(self) -> int:
        """Return how often its click has failed."""
        return 1 if self.again is None else self.again.attempt

    @property
    def named(self) -> str:
        """Return the place that people look for: of the click, else of the letter."""
        return str(self.first or self.place)

    @property
    def key(self) -> str:
        """Return the key as text, empty where there is none."""
        return (self.key_bytes or b"").decode(errors="replace")

    @property
    def text(self) -> str:
        """Return the value as text, empty where there is none; bytes that are no UTF-8 are replaced."""
        return (self.value or b"").decode(errors="replace")

    @cached_property
    def click(self) -> Mapping[str, Any] | None:
        """Return the value as a JSON object; None where it is none.

        A field that cannot be read (half of a character, a number with 400 digits) is left out.
        """
        if self.value is None:
            return None
        try:
            return decode_object(self.value)
        except (*DECODE_ERRORS, msgspec.ValidationError, OverflowError):
            pass
        try:
            return inspect(self.value).fields
        except Exception:  # noqa: BLE001 # whatever somebody wrote there
            return None


def read_letter(topic: str, letter: Letter, places: Places) -> DeadLetter:
    """Return a letter of this topic to replay. `places` reads those of the pipeline's clicks."""
    first = letter.said.first if letter.said.writer is Writer.POD else None
    return DeadLetter(
        letter=letter,
        place=Place(topic, letter.partition, letter.offset),
        first=None if first is None else places.read(str(first).encode()),
    )


def unreplayable(letter: DeadLetter, *, late: bool) -> str | None:
    """Return why a letter cannot be sent again, None where it can. `late`: send late clicks, too."""
    if letter.writer is Writer.SINK:
        return "sink"  # it is an enriched click, which was counted
    if letter.writer is Writer.UNKNOWN:
        return "unknown-letter"
    if letter.reason == Reason.PROFILE_REFUSED:
        return "profile"
    if letter.writer is Writer.POD and letter.first is None:
        return "other-topic"  # of another pipeline, or of a topic between the stages
    if letter.reason == Reason.LATE and not late:
        return "late"  # it is enriched already
    if letter.letter.said.is_cut:
        return "cut"
    if letter.value is None:
        return "no-value"
    if letter.writer is Writer.COLLECTOR and not is_click(letter.click):
        return "no-click"
    return None


def is_click(fields: Mapping[str, Any] | None) -> bool:
    """Tell whether an object has what a click has; the values may be wrong."""
    return fields is not None and {"user_id", "page_url", "action", "timestamp"} <= fields.keys()
