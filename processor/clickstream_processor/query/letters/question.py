"""A question about dead letters: which ones, how many, and where the last page ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from clickstream_processor.dead_letters.headers import MAX_REASON_CHARS, Writer
from clickstream_processor.dead_letters.letter import Letter
from clickstream_processor.query.http.parameters import MAX_MS, whole_number
from clickstream_processor.query.http.problems import malformed
from clickstream_processor.query.letters import cursor

DEFAULT_LIMIT = 20
MAX_LIMIT = 100
MAX_REASONS = 32
_MAX_DIGITS = 18
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

REASON = "reason"
FILTERS = frozenset({"from", "to", "source", "partition"})
PARAMETERS = FILTERS | {"limit", "before"}


@dataclass(frozen=True, slots=True)
class Selection:
    """Which letters: a half-open range of record times [from_ms, to_ms), and what they must have."""

    reasons: frozenset[str] = frozenset()  # empty: any
    from_ms: int | None = None
    to_ms: int | None = None
    writer: Writer | None = None
    partition: int | None = None  # of the first place

    def has(self, letter: Letter) -> bool:
        """Tell whether a letter is one of them. One without a time is in no range."""
        said = letter.said
        if self.reasons and said.reason not in self.reasons:
            return False
        if self.writer is not None and said.writer is not self.writer:
            return False
        if self.partition is not None and (said.first is None or said.first.partition != self.partition):
            return False
        if self.from_ms is None and self.to_ms is None:
            return True
        at_ms = letter.at_ms
        return (
            at_ms is not None and (self.from_ms or 0) <= at_ms and (self.to_ms is None or at_ms < self.to_ms)
        )


@dataclass(frozen=True, slots=True)
class PageQuestion:
    """One page of letters. `before`: by partition the offset below which it begins; None: the newest page."""

    selection: Selection
    limit: int = DEFAULT_LIMIT
    before: Mapping[int, int] | None = None


def selection(parameters: Mapping[str, str], reasons: Sequence[str] = ()) -> Selection:
    """Return what the URL's parameters select; raises Problem 400."""
    if len(reasons) > MAX_REASONS or any(not 0 < len(each) <= MAX_REASON_CHARS for each in reasons):
        raise malformed(
            f"At most {MAX_REASONS} reasons can be given, each of 1 to {MAX_REASON_CHARS} characters.", REASON
        )
    from_ms, to_ms = _time(parameters, "from"), _time(parameters, "to")
    if from_ms is not None and to_ms is not None and from_ms >= to_ms:
        raise malformed("from must be before to.", "from")
    partition = None
    if "partition" in parameters:
        partition = whole_number(parameters, "partition", 0, (0, 2**31 - 1), "a partition")
    return Selection(frozenset(reasons), from_ms, to_ms, _writer(parameters), partition)


def page_question(parameters: Mapping[str, str], reasons: Sequence[str]) -> PageQuestion:
    """Return what the URL's parameters ask for; raises Problem 400."""
    before = parameters.get("before")
    try:
        position = cursor.decode(before) if before is not None else None
    except ValueError as error:
        raise malformed("before must be what `next` of another page says.", "before") from error
    limit = whole_number(parameters, "limit", DEFAULT_LIMIT, (1, MAX_LIMIT), "letters")
    return PageQuestion(selection(parameters, reasons), limit, position)


def place(partition: str, offset: str) -> tuple[int, int]:
    """Return partition and offset that the URL's path gives in digits; raises Problem 400."""
    if len(partition) > _MAX_DIGITS or len(offset) > _MAX_DIGITS:
        raise malformed(f"Partition and offset have at most {_MAX_DIGITS} digits.")
    return int(partition), int(offset)


def _writer(parameters: Mapping[str, str]) -> Writer | None:
    text = parameters.get("source")
    if text is None:
        return None
    try:
        return Writer(text)
    except ValueError:
        raise malformed(f"source must be one of {', '.join(Writer)}.", "source") from None


def _time(parameters: Mapping[str, str], name: str) -> int | None:
    """Return a time in ms since the epoch: given so, or as RFC 3339."""
    text = parameters.get(name)
    if text is None:
        return None
    if text.isascii() and text.isdigit() and len(text) <= 16 and int(text) <= MAX_MS:
        return int(text)
    try:
        at = datetime.fromisoformat(text.replace(" ", "+"))  # a + that nobody percent-encoded
        ms = (at - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, TypeError, OverflowError):  # TypeError: it names no zone
        ms = -1
    if ms < 0:
        raise malformed(
            f"{name} must be whole milliseconds since the epoch, or a time such as 2026-11-30T12:00:00Z.",
            name,
        )
    return ms
