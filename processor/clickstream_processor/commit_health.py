"""Whether this pod's commits get through: failures in a row, since when, and the last error. Pure."""

from dataclasses import dataclass

MAX_ERROR_CHARS = 300
# Clicks that wait for so long without a commit are told to people. A slow commit takes less, and so does a
# pod's way back to work after one failure.
STANDS_AFTER_MS = 10_000


@dataclass(frozen=True, slots=True)
class CommitHealth:
    """Times are wall clock, ms since the epoch; 0: never."""

    failures: int = 0  # since the last commit that got through
    failing_since_ms: int = 0
    committed_ms: int = 0
    error: str = ""  # of the last failure; empty when the last commit got through
    error_ms: int = 0

    def failed(self, error: str, now_ms: int) -> "CommitHealth":
        """Return the health after a failure. The error is kept in one line, and short."""
        text = " ".join(error.split())
        if len(text) > MAX_ERROR_CHARS:
            text = text[: MAX_ERROR_CHARS - 1] + "…"
        since_ms = self.failing_since_ms if self.failures else now_ms
        return CommitHealth(self.failures + 1, since_ms, self.committed_ms, text, now_ms)

    def committed(self, now_ms: int) -> "CommitHealth":
        """Return the health after a commit."""
        return CommitHealth(committed_ms=now_ms)


def standing_text(stands_ms: int, error: str) -> str:
    """Return what to say of a task whose clicks wait: empty while that is nothing unusual."""
    if stands_ms < STANDS_AFTER_MS:
        return ""
    why = error or "no commit has failed; it may wait for Kafka"
    return f"no commit for {stands_ms // 1_000} s: {why}"
