"""What the URLs of all routes have in common: known parameters, each once, and flags."""

from collections.abc import Mapping

from aiohttp import web

from clickstream_processor.query.http.problems import malformed


def parameters_of(request: web.Request, allowed: frozenset[str]) -> Mapping[str, str]:
    """Return the URL's parameters; raises Problem 400 for an unknown or a repeated one."""
    query = request.query
    seen: dict[str, str] = {}
    for name, value in query.items():
        if name not in allowed:
            raise malformed(
                f"Unknown parameter {name[:64]!r}; known are {', '.join(sorted(allowed))}.", name[:64]
            )
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
