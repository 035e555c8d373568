"""Log lines on standard error. No line has a write key: nothing logs a request's head, query or body."""

import json
import logging
import sys

# These say what a client sent, with its query and its headers: a key may be among them.
_TELLTALES = ("aiohttp.access", "aiohttp.web")


class _NoHeads(logging.Filter):
    """Leaves out what aiohttp says of a head that it cannot read, for it quotes the head."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Decide."""
        error = record.exc_info[1] if record.exc_info else None
        return not type(error).__module__.startswith("aiohttp")


class _JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def setup(level: str, form: str) -> None:
    """Send every logger's lines to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    plain = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handler.setFormatter(_JsonLines() if form == "json" else plain)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _TELLTALES:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    logging.getLogger("aiohttp.server").addFilter(_NoHeads())
    logging.getLogger("asyncio").setLevel(logging.WARNING)
