"""The click that a letter becomes: corrected, under its first place, one attempt further. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec
from clickstream_expressions.letters import LetterExpression

from clickstream_processor.errors import MalformedRecord
from clickstream_processor.replaying.letter import DeadLetter
from clickstream_processor.topology.inspection import raw_fields
from clickstream_processor.topology.records.codec import DECODE_ERRORS, encode_json
from clickstream_processor.topology.records.replayed import (
    MAX_ATTEMPT,
    MAX_HISTORY_BYTES,
    REPLAY_OF,
    Replayed,
)

Headers = list[tuple[str, str | bytes | None]]
FRAME_BYTES = 1_024  # what a record costs beside its key, value and headers


@dataclass(frozen=True, slots=True)
class ClickAgain:
    """A record of the clicks topic."""

    value: bytes
    key: bytes | None
    partition: int
    timestamp_ms: int  # 0: the time at which it is sent
    headers: Headers

    @property
    def size_bytes(self) -> int:
        """Return how large a batch with this record alone is, at most."""
        texts = sum(len(name) + len(str(text).encode()) for name, text in self.headers)
        return FRAME_BYTES + texts + len(self.key or b"") + len(self.value)


def corrected(letter: DeadLetter, fields: Mapping[str, LetterExpression]) -> bytes:
    """Return the letter's value with these fields set; all others stay byte for byte.

    Half of a character in one of those becomes U+FFFD. A letter that is no JSON object becomes one of these
    fields alone. Raises EvaluationFailed, and MalformedRecord where the value cannot be written.
    """
    value = letter.value or b""
    if not fields:
        return value
    values = {name: expression.evaluate(letter) for name, expression in fields.items()}
    try:
        whole = raw_fields(value)
    except DECODE_ERRORS:
        whole = {}
    try:
        whole.update((name, msgspec.Raw(encode_json(each))) for name, each in values.items())
        return encode_json(whole)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise MalformedRecord("set", str(error)) from error


def click_again(
    letter: DeadLetter, value: bytes, name: str, partitions: int, partition_of: Callable[[bytes, int], int]
) -> ClickAgain:
    """Return the record that replay `name` sends for a letter; `value`: corrected."""
    key = _user_key(value)
    if key is None:
        key = letter.key_bytes
    if key is not None:
        partition = partition_of(key, partitions)
    else:
        partition = 0 if letter.first is None else letter.first.partition
    headers: Headers = [] if letter.first is None else [(REPLAY_OF, str(letter.first))]
    headers += Replayed(name, min(letter.attempt + 1, MAX_ATTEMPT), history_of(letter)).headers()
    return ClickAgain(value, key, partition, max(0, letter.time), headers)


def history_of(letter: DeadLetter) -> str:
    """Return the reasons of the letter and those before it, oldest first; of many the newest."""
    before = letter.again.history if letter.again is not None else ""
    reasons = [*filter(None, before.split(",")), letter.reason]
    while len(",".join(reasons).encode()) > MAX_HISTORY_BYTES:
        del reasons[0]
    return ",".join(reasons)


class _Owned(msgspec.Struct, gc=False):
    user_id: str


_decode_owned = msgspec.json.Decoder(_Owned).decode


def _user_key(value: bytes) -> bytes | None:
    """Return the user id of a click as a key, None where it has none that can be read."""
    try:
        return _decode_owned(value).user_id.encode()
    except (*DECODE_ERRORS, UnicodeEncodeError):
        return None
