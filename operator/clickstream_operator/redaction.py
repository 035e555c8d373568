"""Takes secrets out of texts that go to a status, an Event or a log."""

import re
from collections.abc import Callable, Iterable

HIDDEN = "[redacted]"
# Shorter values would blank out ordinary words.
_SHORTEST = 4
_USER_INFO = re.compile(r"(?<=://)[^/@\s]+(?=@)")
_NAMED = re.compile(
    r"""(?ix)
        ( \b [\w.\-]* (?: password | passwd | secret | token | credential | api[_-]?key ) [\w.\-]*
          ["']? \s* [=:] \s* )
        ( "[^"]*" | '[^']*' | [^\s"',;)}\]]+ )"""
)


def redactor(values: Iterable[str] = ()) -> Callable[[str], str]:
    """Return a function that hides the given values, values named like secrets and user info in URLs."""
    exact = sorted({value for value in values if len(value) >= _SHORTEST}, key=len, reverse=True)

    def redact(text: str) -> str:
        for value in exact:
            text = text.replace(value, HIDDEN)
        text = _USER_INFO.sub(HIDDEN, text)
        return _NAMED.sub(rf"\1{HIDDEN}", text)

    return redact
