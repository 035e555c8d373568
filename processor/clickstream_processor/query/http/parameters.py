"""What the URLs of all routes have in common: known parameters, each once; flags, times and numbers."""

from collections.abc import Mapping

from aiohttp import web

from clickstream_processor.query.http.problems import malformed

MAX_MS = 9_007_199_254_740_991  # 2^53 - 1: the greatest integer every JSON reader keeps


def parameters_of(
    request: web.Request, allowed: frozenset[str], *, repeatable: str | None = None
) -> Mapping[str, str]:
    """Return the URL's parameters; raises Problem 400 for an unknown or a repeated one.

    `repeatable`: another that may be given, any number of times; it is left out here.
    """
    query = request.query
    seen: dict[str, str] = {}
    for name, value in query.items():
        if name == repeatable:
            continue
        if name not in allowed:
            known = sorted(allowed | {repeatable} if repeatable else allowed)
            raise malformed(f"Unknown parameter {name[:64]!r}; known are {', '.join(known)}.", name[:64])
        if name in seen:
            raise malformed(f"Parameter {name} is given more than once.", name)
        seen[name] = value
    return seen


def flag(parameters: Mapping[str, str], name: str) -> bool:
    """Return whether a flag is set: 1 or 0, absent is 0; raises Problem 400 for anything else."""
    text = parameters.get(name, "0")
    if text not in ("0", "1"):
        raise malformed(f"{name} must be 0 or 1.", name)
    return text == "1"


def milliseconds(parameters: Mapping[str, str], name: str) -> int | None:
    """Return a time in ms since the epoch, None when it is not given; raises Problem 400."""
    text = parameters.get(name)
    if text is None:
        return None
    if not _is_whole(text) or int(text) > MAX_MS:
        raise malformed(
            f"{name} must be a whole number of milliseconds since the epoch, 0 to {MAX_MS}.", name
        )
    return int(text)


def whole_number(
    parameters: Mapping[str, str], name: str, default: int, bounds: tuple[int, int], unit: str
) -> int:
    """Return a number within bounds, both included; raises Problem 400."""
    text = parameters.get(name, str(default))
    if not _is_whole(text) or not bounds[0] <= int(text) <= bounds[1]:
        raise malformed(f"{name} must be a whole number of {unit}, {bounds[0]} to {bounds[1]}.", name)
    return int(text)


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 16
