"""Errors as RFC 9457 problem details: one class, one shape, ``application/problem+json``.

``type`` names the kind and stays stable; ``detail`` is for people and may change. Nothing of another
system's error text (a stack trace, a URL with credentials) is ever put into a problem.
"""

from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web

from clickstream_processor.task_id import TaskId

CONTENT_TYPE = "application/problem+json"
TYPE_PREFIX = "https://clickstream.dev/problems/"
_STOPPED_RETRY_S = 30  # a volume that refuses is tried again as often; all else needs a person

_encode = msgspec.json.encode


class Problem(Exception):
    """A request that cannot be answered as asked. The guard around the handler renders it."""

    def __init__(
        self, status: int, kind: str, detail: str, *, headers: dict[str, str] | None = None, **extensions: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.headers = headers or {}
        self.extensions = extensions

    def body(self) -> bytes:
        """Return the JSON document; the title is the kind in words, equal for all problems of the kind."""
        return _encode(
            {
                "type": TYPE_PREFIX + self.kind,
                "title": self.kind.replace("-", " ").capitalize(),
                "status": self.status,
                "detail": self.detail,
                **self.extensions,
            }
        )

    def response(self) -> web.Response:
        """Return the HTTP response."""
        headers = {"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store", **self.headers}
        return web.Response(status=self.status, body=self.body(), headers=headers)


def malformed(detail: str, parameter: str | None = None) -> Problem:
    """Return the 400 for a request that can never be answered as it stands."""
    extensions: dict[str, Any] = {"parameter": parameter} if parameter else {}
    return Problem(400, "malformed-request", detail, **extensions)


def unknown_user(user: str, looked_at: str) -> Problem:
    """Return the 404 for a user without a profile and without a click where one was looked for."""
    return Problem(404, "unknown-user", f"No profile of user {user!r} is known, and no click {looked_at}.")


def nobody_can_answer(task: TaskId, retry_after_s: int = 1) -> Problem:
    """Return the 503 for a user whose task has no pod that can read its state."""
    return Problem(
        503,
        "no-answer",
        f"Neither owner nor standby of task {task} answered. It may be moving; ask again.",
        headers={"Retry-After": str(retry_after_s)},
        task=str(task),
    )


def task_stopped(task: TaskId, pod: int, reason: str) -> Problem:
    """Return the 503 for a user whose task its owner has stopped: it does not go on by itself."""
    return Problem(
        503,
        "task-stopped",
        f"Task {task} is stopped on pod {pod}: {reason or 'its log says why'}",
        headers={"Retry-After": str(_STOPPED_RETRY_S)},
        task=str(task),
        pod=pod,
        reason=reason,
    )


def overloaded(limit: int) -> Problem:
    """Return the 503 for a pod that already answers as many requests as it may."""
    return Problem(
        503, "overloaded", f"This pod already answers {limit} requests at once.", headers={"Retry-After": "1"}
    )


def unauthorized(realm: str) -> Problem:
    """Return the 401 that asks for a bearer token (RFC 6750)."""
    return Problem(
        401,
        "unauthorized",
        "Send a valid bearer token in the Authorization header.",
        headers={"WWW-Authenticate": f'Bearer realm="{realm}"'},
    )


def internal() -> Problem:
    """Return the 500 for a defect: the log has the trace, the answer has not."""
    return Problem(
        500, "internal-error", "The request failed for a reason of this pod's own; its log says which."
    )


def of_status(status: int, detail: str = "") -> Problem:
    """Return the problem for an answer of the HTTP layer itself, such as 404 or 405 of the router."""
    phrase = HTTPStatus(status).phrase
    kind = "".join(c if c.isalnum() else "-" for c in phrase.lower())
    return Problem(status, kind, detail or f"{phrase}.")
