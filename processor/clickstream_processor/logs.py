"""Log lines on standard error: text for people, JSON for collectors. Secrets are never logged.

Nothing logs a secret on purpose; `hide` is the second lock, for texts that come from libraries.
"""

import logging
import sys
from typing import Literal

import msgspec

_HIDDEN: set[str] = set()
_SHORTEST = 6  # a shorter secret would blot out ordinary words


def setup(level: str, form: Literal["json", "text"]) -> None:
    """Send every logger's lines to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Text())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("aiohttp.access", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def hide(secret: str) -> None:
    """Replace this value by *** in every line from here on."""
    if len(secret) >= _SHORTEST:
        _HIDDEN.add(secret)


def _without_secrets(text: str) -> str:
    for secret in _HIDDEN:
        text = text.replace(secret, "***")
    return text


class OnceInAWhile(logging.Filter):
    """Lets one line of a kind through per period, and says how many were left out: outages repeat themselves.

    The kind is the text's first word and the logging level.
    """

    def __init__(self, period_s: float = 30.0) -> None:
        super().__init__()
        self._period_s = period_s
        self._last: dict[tuple[int, str], tuple[float, int]] = {}  # kind -> when shown, left out since

    def filter(self, record: logging.LogRecord) -> bool:
        """Decide; the line that goes through counts those before it."""
        kind = (record.levelno, str(record.msg).partition(" ")[0])
        shown_s, left_out = self._last.get(kind, (float("-inf"), 0))
        if record.created - shown_s < self._period_s:
            self._last[kind] = (shown_s, left_out + 1)
            return False
        self._last[kind] = (record.created, 0)
        if left_out:
            record.msg = f"{record.msg} (and {left_out} like it before)"
        return True


class _Text(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(threadName)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return _without_secrets(super().format(record))


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03d}",
            "level": record.levelname,
            "logger": record.name,
            "thread": record.threadName,
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return _without_secrets(msgspec.json.encode(fields).decode())
