"""Takes values out of a pod's answer, each bounded. Pure.

Another program may answer in the pod's place, so nothing is believed of shapes and sizes.
"""

from collections.abc import Mapping
from typing import Any

LONGEST_MESSAGE = 1000  # characters
_MAX_KEYS = 50
_MAX_KEY = 100  # characters
_MAX_VALUE = 200
_MAX_COUNT = 2**53


def count_in(value: object) -> int:
    """Return a number of things: 0 where it is none."""
    if isinstance(value, bool) or not isinstance(value, int):
        return 0
    return min(max(value, 0), _MAX_COUNT)


def text_in(value: object, longest: int = _MAX_VALUE) -> str:
    """Return a text, cut."""
    # Half of a pair of surrogates is no text that the API server takes.
    plain = "" if value is None else str(value).encode("utf-8", "replace").decode()
    return plain[:longest]


def field_of(value: object, name: str) -> Any:
    """Return a field of an object; None where it has none, or is none."""
    return value.get(name) if isinstance(value, Mapping) else None


def list_in(value: object) -> list[Any]:
    """Return a list: empty where it is none."""
    return value if isinstance(value, list) else []


def entries_in(value: object) -> list[tuple[str, Any]]:
    """Return the entries of an object, at most 50."""
    entries = value.items() if isinstance(value, Mapping) else ()
    return [(text_in(key, _MAX_KEY), each) for key, each in entries if text_in(key, _MAX_KEY)][:_MAX_KEYS]
