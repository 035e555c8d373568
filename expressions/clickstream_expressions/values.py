"""JSON values on their way into CEL's library and out of it: what it can hold, and how deep they nest.

Depths are counted, so that a record of brackets ends as an error of that record, not of Python's stack.
"""

import math
from typing import Any

MAX_DEPTH = 64  # lists and objects within each other; docs/reference/semantics.md says so
_OF_LIBRARY = 32  # more that an expression can put around a value: the library's own limit of nesting


class Unfit(Exception):
    """A value cannot be handed over. Becomes EvaluationFailed."""


def fit(value: Any, name: str) -> Any:
    """Return a record's value as the library takes it, or raise Unfit; ``name`` says whose value it is.

    Integers beyond 64 bits become doubles, as JSON readers have them.
    """
    return _fit(value, name, MAX_DEPTH)


def _fit(value: Any, name: str, levels: int) -> Any:
    if isinstance(value, str):
        if "\0" in value:  # the Python binding passes texts as C does, up to there
            raise Unfit(f"{name} has a text with U+0000, which CEL's library would cut off")
        if not value.isascii():
            _require_whole(value, name)
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else _double(value)
    if isinstance(value, list | dict):
        if levels == 0:
            raise Unfit(f"the value of {name} nests deeper than {MAX_DEPTH} levels")
        if isinstance(value, list):
            return [_fit(element, name, levels - 1) for element in value]
        return {_fit(key, name, 1): _fit(element, name, levels - 1) for key, element in value.items()}
    return value


def _require_whole(text: str, name: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = ord(text[error.start])
        raise Unfit(f"{name} has a text with U+{half:04X}, half of a character (a lone surrogate)") from error


def _double(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def require_json(value: Any, levels: int = MAX_DEPTH + _OF_LIBRARY) -> None:
    """Raise Unfit for a value that JSON cannot hold."""
    match value:
        case None | bool() | int() | str():
            return
        case float() if math.isfinite(value):
            return
        case list() | dict() if levels == 0:
            raise Unfit(f"the value nests deeper than {MAX_DEPTH + _OF_LIBRARY} levels")
        case list():
            for element in value:
                require_json(element, levels - 1)
        case dict() if all(isinstance(key, str) for key in value):
            for element in value.values():
                require_json(element, levels - 1)
        case _:
            raise Unfit(f"the value {value!r:.80} is not what JSON can hold")
