"""Sessions that are right and sessions that are wrong, as documents.py has the rest of a spec."""

from typing import Any

from operator_support.metric_documents import Changes, metric, metrics


def sessions(*of_metrics: Any, given: Any = None, **changes: Any) -> Changes:
    """Return the change that asks for sessions, and for these metrics beside them."""
    return {"processing.sessions": {} if given is None else given} | metrics(*of_metrics, **changes)


def of_sessions(**fields: Any) -> dict[str, Any]:
    """Return a metric of sessions: it counts them, unless the fields say otherwise."""
    return metric(of="sessions", **fields)


VALID: dict[str, Changes] = {
    "sessions": sessions(),
    "sessions that are null": {"processing.sessions": None},
    "sessions with all said": sessions(given={"gap": "1s", "grace": "24h", "topic": "visits"}),
    "as long a gap as may be": sessions(given={"gap": "1440m", "grace": "0ms"}),
    "metrics of sessions": sessions(
        of_sessions(by={"page": "session.exit_page", "plan": "profile.plan_tier"}),
        {"name": "length", "of": "sessions", "avg": "session.duration"},
        {"name": "bounces", "of": "sessions", "where": "session.clicks == 1", "count": {}},
        metric(name="c", of="clicks"),
    ),
}

# path that the problem is about, then the changes
INVALID: dict[str, tuple[str, Changes]] = {
    "sessions that are a text": ("spec.processing.sessions", {"processing.sessions": "yes"}),
    "a misspelled field of sessions": ("spec.processing.sessions.gpa", sessions(given={"gpa": "1m"})),
    "a gap of nothing": ("spec.processing.sessions.gap", sessions(given={"gap": "0s"})),
    "a gap in milliseconds": ("spec.processing.sessions.gap", sessions(given={"gap": "1500ms"})),
    "a gap too long": ("spec.processing.sessions.gap", sessions(given={"gap": "25h"})),
    "a grace of sessions too long": ("spec.processing.sessions.grace", sessions(given={"grace": "86401s"})),
    "a topic of sessions with a slash": ("spec.processing.sessions.topic", sessions(given={"topic": "a/b"})),
    "a topic of sessions that the counts have": (
        "spec.processing.sessions.topic",
        sessions(given={"topic": "user-metrics"}),
    ),
    "a default topic of sessions that the clicks have": (
        "spec.processing.sessions.topic",
        sessions(topics__clicks="user-sessions"),
    ),
    "a topic of sessions that is the pipeline's own": (
        "spec.processing.sessions.topic",
        sessions(given={"topic": "team.shop-acks"}, id="team.shop"),
    ),
    "a metric's topic that the sessions have": (
        "spec.processing.metrics[0].topic",
        sessions(metric(topic="user-sessions")),
    ),
    "a metric of something else": ("spec.processing.metrics[0].of", metrics(metric(of="users"))),
    "a metric of sessions without sessions": ("spec.processing.metrics[0].of", metrics(of_sessions())),
    "a metric of sessions where sessions are null": (
        "spec.processing.metrics[0].of",
        metrics(of_sessions()) | {"processing.sessions": None},
    ),
}

INVALID_FOR_THE_PARSER_ALONE: dict[str, tuple[str, Changes]] = {
    "a click in a metric of sessions": (
        "spec.processing.metrics[0].by.page",
        sessions(of_sessions(by={"page": "click.page_url"})),
    ),
    "a session in a metric of clicks": (
        "spec.processing.metrics[0].where",
        sessions(metric(where="session.clicks > 1")),
    ),
    "a session in the filter": (
        "spec.processing.filter",
        sessions() | {"processing.filter": "session.clicks > 1"},
    ),
    "an unknown field of a session": (
        "spec.processing.metrics[0].by.page",
        sessions(of_sessions(by={"page": "session.page_url"})),
    ),
}
