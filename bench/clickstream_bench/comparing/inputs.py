"""The inputs that systems are compared on: how many users, and whose the next click is."""

from clickstream_bench.traffic import Traffic

HEAVY = "heavy"  # its figures have plain names, those of the others end in the input's name
INPUTS = {HEAVY: 0, "visits": 10, "wide": 1}
"""Name -> `visit` of Traffic: heavy-tailed users, ten clicks of one user in a row, each click of any user."""


def traffic(name: str, clicks: int, users: int, many_users: int, start_ms: int) -> Traffic:
    """Return an input: of `users` when it is heavy, else of `many_users`. Raises KeyError: no such input."""
    visit = INPUTS[name]
    return Traffic(clicks, many_users if visit else users, start_ms, visit=visit)


def figure(name: str, input_name: str) -> str:
    """Return a figure's name in the last line, for an input."""
    return name if input_name == HEAVY else f"{name}_{input_name}"
