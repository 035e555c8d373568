"""The answer to a question about a user, how it is sent, and what its count is called."""

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from clickstream_processor.query.http.peers import STALENESS
from clickstream_processor.query.http.problems import CONTENT_TYPE
from clickstream_processor.query.http.responses import JSON_HEADERS

# Units of a window's name in JSON, largest first: 300_000 ms is "5min", as in clicks_last_5min.
_UNITS = ((3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms"))


def window_name(size_ms: int) -> str:
    """Return a window size as the API spells it: the largest unit that divides it."""
    for unit_ms, unit in _UNITS:
        if size_ms % unit_ms == 0:
            return f"{size_ms // unit_ms}{unit}"
    raise AssertionError("1 ms divides every size")


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered: a JSON document of status 200, or a problem (400, 404), and how old the state is."""

    status: int
    body: bytes
    staleness: str | None = None  # seconds, decimal; None: fresh


def staleness_of(age_ms: int) -> str | None:
    """Return the mark of a state of such an age."""
    return f"{age_ms / 1000:.3f}" if age_ms else None


def answered(answer: Answer) -> web.Response:
    """Return a user's metrics, or the problem that is the answer, with the staleness mark if there is one."""
    headers: Mapping[str, str] = JSON_HEADERS
    if answer.status != 200:
        headers = {**headers, "Content-Type": CONTENT_TYPE}
    if answer.staleness is not None:
        headers = {**headers, STALENESS: answer.staleness}
    return web.Response(status=answer.status, body=answer.body, headers=headers)
