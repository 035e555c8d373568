"""A section of a document as it was given, with the defaults of what it leaves out."""

from collections.abc import Mapping
from typing import Any, TypeVar

T = TypeVar("T")


class Raw:
    """Reads values that may be absent or of the wrong kind, so that a broken field hides no broken rule."""

    def __init__(self, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
        self._layers = (given, defaults)

    def get(self, path: str, kind: type[T]) -> T | None:
        """Return the value at a dotted path, given or default; None when absent or of another kind."""
        for layer in self._layers:
            value: Any = layer
            for name in path.split("."):
                value = value.get(name) if isinstance(value, dict) else None
            if value is not None:
                fits = isinstance(value, kind) and not (kind is int and isinstance(value, bool))
                return value if fits else None
        return None
