"""The lines of the file of write keys: `key origin=https://shop.example.com rate=500`. Pure."""

from dataclasses import dataclass
from urllib.parse import urlsplit

_SHORTEST = 1


@dataclass(frozen=True, slots=True)
class KeyLine:
    """One key: the origins of browsers that may use it (empty: all) and its events a second (None: any)."""

    key: str
    origins: frozenset[str] = frozenset()
    rate: float | None = None


class WrongKeyLine(ValueError):
    """A line is no key. The message says which line and why, and never the key."""


def key_lines(text: str) -> list[KeyLine]:
    """Return the keys of a file; lines that begin with # are remarks. Raises WrongKeyLine."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if words and not words[0].startswith("#"):
            found.append(_key_line(words, number))
    return found


def _key_line(words: list[str], number: int) -> KeyLine:
    origins: set[str] = set()
    rate = None
    for word in words[1:]:
        name, _, value = word.partition("=")
        if name == "origin":
            origins.add(_origin(value, number))
        elif name == "rate":
            rate = _rate(value, number)
        else:
            raise WrongKeyLine(
                f"line {number}: {name[:32]!r} is not known; allowed are origin=... and rate=..."
            )
    return KeyLine(words[0], frozenset(origins), rate)


def _origin(value: str, number: int) -> str:
    parts = urlsplit(value)
    if (
        parts.scheme not in ("http", "https")
        or not parts.netloc
        or parts.path
        or parts.query
        or parts.fragment
    ):
        raise WrongKeyLine(
            f"line {number}: origin={value[:64]}: must be as https://shop.example.com, without a path"
        )
    return value.lower()


def _rate(value: str, number: int) -> float:
    if not value.isascii() or not value.isdigit() or not 0 < int(value[:12]) < 10**9:
        raise WrongKeyLine(
            f"line {number}: rate={value[:32]}: must be a whole number above 0, events a second"
        )
    return float(value)
