"""Errors as RFC 9457 problem details, `application/problem+json`. `type` is stable, `detail` may change."""

from typing import Any

import msgspec
from aiohttp import web

from clickstream_collector.http.routes import BUSY_RETRY_S, PROBLEM_TYPE, TYPE_PREFIX


class Problem(Exception):
    """A request that cannot be taken. The handler renders it."""

    def __init__(
        self, status: int, kind: str, detail: str, *, retry_after_s: int | None = None, **extensions: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.extensions = extensions

    def response(self) -> web.Response:
        """Return the answer."""
        body = {
            "type": TYPE_PREFIX + self.kind,
            "title": self.kind.replace("-", " ").capitalize(),
            "status": self.status,
            "detail": self.detail,
            **self.extensions,
        }
        headers = {"Content-Type": PROBLEM_TYPE, "Cache-Control": "no-store", "Server": "clickstream"}
        if self.retry_after_s is not None:
            headers["Retry-After"] = str(self.retry_after_s)
        return web.Response(status=self.status, body=msgspec.json.encode(body), headers=headers)


def malformed(detail: str, **extensions: Any) -> Problem:
    """Return the 400 for a body that can never be taken as it stands."""
    return Problem(400, "malformed-request", detail, **extensions)


def no_key() -> Problem:
    """Return the 401 for a request without a valid write key."""
    return Problem(401, "unknown-write-key", "Send a valid write key.")


def wrong_origin() -> Problem:
    """Return the 403 for a page whose origin the key does not allow."""
    return Problem(403, "origin-not-allowed", "Pages of this origin may not use this write key.")


def too_large(detail: str) -> Problem:
    """Return the 413."""
    return Problem(413, "body-too-large", detail)


def too_slow(seconds: float) -> Problem:
    """Return the 408 for a body that does not come."""
    return Problem(408, "body-too-slow", f"The body did not come within {seconds:g} s.")


def unknown_encoding(detail: str) -> Problem:
    """Return the 415."""
    return Problem(415, "unsupported-media-type", detail)


def too_many(wait_s: int, status: int) -> Problem:
    """Return the 429, or the 503 for SDKs that drop what was answered with 429."""
    return Problem(
        status, "too-many-events", "This write key sends more events than it may.", retry_after_s=wait_s
    )


def try_later(kind: str, detail: str, retry_after_s: int) -> Problem:
    """Return the 503 for what passes by itself."""
    return Problem(503, kind, detail, retry_after_s=retry_after_s)


def stopping() -> Problem:
    """Return the 503 of a process that stops, for a body that has not come."""
    return try_later("stopping", "This collector stops before the body has come.", BUSY_RETRY_S)


def internal() -> Problem:
    """Return the 500 for a defect: the log has the trace, the answer has not."""
    return Problem(500, "internal-error", "The request failed for a reason of the collector's own.")
