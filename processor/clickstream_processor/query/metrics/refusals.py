"""Why a question about metrics has no answer. A pod passes on what another one has refused."""

from collections.abc import Sequence

from clickstream_processor.query.http.problems import Problem


def too_much_to_read() -> Problem:
    """Return the 503 for a question that takes longer than a pod gives to one."""
    return Problem(
        503,
        "too-much-to-read",
        "Reading these windows takes longer than a pod gives to one question. Ask for fewer, or for one key.",
        headers={"Retry-After": "5"},
    )


def answer_too_large() -> Problem:
    """Return the 400 for a question whose rows are too many for the length of their keys."""
    return Problem(
        400, "answer-too-large", "The answer would be too large. Ask for fewer rows, or for fewer windows."
    )


def expired_window(window_ms: int, kept_ms: int) -> Problem:
    """Return the 400 for a window whose clicks are no longer kept: its values would be too small."""
    return Problem(
        400,
        "expired-time",
        f"The window that starts at {window_ms} is no longer kept; the earliest one starts at {kept_ms}.",
        parameter="window",
        earliest_ms=kept_ms,
    )


def nobody_answered(missing: Sequence[int]) -> Problem:
    """Return the 503 where no pod could read a task that was asked for."""
    return Problem(
        503,
        "no-answer",
        "Neither owner nor standby of the metrics' tasks answered. They may be moving; ask again.",
        headers={"Retry-After": "1"},
        missing_partitions=list(missing),
    )
