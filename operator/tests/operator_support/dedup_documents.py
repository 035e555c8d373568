"""Dedup that is right and dedup that is wrong, as documents.py has the rest of a spec."""

from typing import Any

from operator_support.metric_documents import Changes


def dedup(**given: Any) -> Changes:
    """Return the change that asks for it."""
    return {"processing.dedup": given}


VALID: dict[str, Changes] = {
    "dedup": dedup(),
    "dedup that is null": {"processing.dedup": None},
    "dedup with all said": dedup(key="click.order_id", **{"for": "168h"}),
    "dedup by a field that begins as another's": dedup(key="click.action_id"),
    "dedup for a second": dedup(**{"for": "1s"}),
}

# path that the problem is about, then the changes
INVALID: dict[str, tuple[str, Changes]] = {
    "dedup that is a text": ("spec.processing.dedup", {"processing.dedup": "yes"}),
    "a misspelled field of dedup": ("spec.processing.dedup.fro", dedup(fro="1m")),
    "dedup by a bare field": ("spec.processing.dedup.key", dedup(key="message_id")),
    "dedup by an expression": ("spec.processing.dedup.key", dedup(key="click.a + click.b")),
    "dedup by the user": ("spec.processing.dedup.key", dedup(key="click.user_id")),
    "dedup by the profile": ("spec.processing.dedup.key", dedup(key="profile.user_id")),
    "dedup for nothing": ("spec.processing.dedup.for", dedup(**{"for": "0s"})),
    "dedup in milliseconds": ("spec.processing.dedup.for", dedup(**{"for": "1500ms"})),
    "dedup for too long": ("spec.processing.dedup.for", dedup(**{"for": "169h"})),
}

INVALID_FOR_THE_PARSER_ALONE: dict[str, tuple[str, Changes]] = {}
