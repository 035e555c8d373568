"""What a pod takes of the spec's values: the same as the API server (crds/) and the operator's parser.

The three are written side by side; operator/tests/verdicts/ feeds them the same documents. A problem is a
phrase that says what is allowed, in the same words.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from clickstream_processor.settings.units import Milliseconds, decode_unit

# A query of one user reads, and `detail` lists, what this many windows hold; and a click counts in fewer.
MAX_WINDOWS = 20_000
TOO_MANY_WINDOWS = (
    f"must keep at most {MAX_WINDOWS} windows of a user: (2 x size + grace + retention) / advance, "
    "where advance is the size unless given"
)
MAX_FIELDS = 50
# The document's id, its owner and its day: the index, the join and the window stand on them.
KEPT_OUTPUT_FIELDS = ("event_id", "user_id", "timestamp")
TOPIC_FIELDS = ("clicks", "profiles", "enriched", "metrics", "dead_letters")
_OUTPUT_FIELD = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,62}")
_TOPIC = re.compile(r"(?!\.{1,2}\Z)[a-zA-Z0-9._-]{1,249}")


@dataclass(frozen=True, slots=True)
class DurationBounds:
    """The durations that a field takes, and the units it is written in."""

    shortest: str
    longest: str
    units: str
    first: str = "0-9"  # digit: a window's length is never 0

    def problem(self, value: object) -> str | None:
        """Return what is allowed, None where the value is."""
        pattern = f"[{self.first}][0-9]{{0,8}}({'|'.join(self.units.split(', '))})"
        if isinstance(value, str) and re.fullmatch(pattern, value):
            low, given, high = (decode_unit(Milliseconds, v) for v in (self.shortest, value, self.longest))
            if low <= given <= high:
                return None
        span = f"{self.shortest} to {self.longest}"
        return f"must be a duration from {span}: a whole number and one of {self.units}"


_WINDOW = DurationBounds("1s", "744h", "s, m, h", first="1-9")
# What a click always has tells no two apart.
_CLICK_FIELD = re.compile(r"click\.(?!(?:user_id|page_url|action|timestamp)$)[a-zA-Z_][a-zA-Z0-9_]{0,62}")
_SPANS = {
    "processing.window.size": _WINDOW,
    "processing.window.advance": _WINDOW,
    "processing.window.grace": DurationBounds("0ms", "744h", "ms, s, m, h"),
    "processing.window.retention": DurationBounds("0ms", "87600h", "ms, s, m, h"),
    "processing.sessions.gap": DurationBounds("1s", "24h", "s, m, h", first="1-9"),
    "processing.sessions.grace": DurationBounds("0ms", "24h", "ms, s, m, h"),
    "processing.dedup.for": DurationBounds("1s", "168h", "s, m, h", first="1-9"),
    "processing.maxFuture": DurationBounds("0ms", "87600h", "ms, s, m, h"),
    "processing.commitInterval": DurationBounds("10ms", "10s", "ms, s"),
}


def problem_of(path: str, value: object) -> str | None:
    """Return what is wrong with one field of the settings file, None where nothing is said of it here."""
    if span := _SPANS.get(path):
        return span.problem(value)
    if path == "processing.dedup.key" and not (isinstance(value, str) and _CLICK_FIELD.fullmatch(value)):
        return "must be click. and a field's name, none of user_id, page_url, action and timestamp"
    section, _, name = path.rpartition(".")
    if ((section == "topics" and name != "partitions") or path == "processing.sessions.topic") and not (
        isinstance(value, str) and _TOPIC.fullmatch(value)
    ):
        return "must be a topic name: letters, digits, ., _ and -, at most 249 characters, not . or .."
    return None


def window_problems(size_ms: int, advance_ms: int | None, grace_ms: int, retention_ms: int) -> Iterator[str]:
    """Yield what is wrong with windows whose single fields are right, each with its path."""
    if advance_ms is not None and advance_ms > size_ms:
        yield (
            "processing.window.advance: must be at most size: clicks between two windows would not be counted"
        )
    step_ms = size_ms if advance_ms is None else advance_ms
    kept_ms = 2 * size_ms + grace_ms + retention_ms
    if kept_ms // 1000 > MAX_WINDOWS * (step_ms // 1000):
        yield f"processing.window: {TOO_MANY_WINDOWS}; here it is {kept_ms // 1000}s / {step_ms // 1000}s"


def transform_problems(settings: Mapping[str, str], drops: Sequence[str]) -> Iterator[str]:
    """Yield what is wrong with the names of output fields, each with its path."""
    for where, names in (("set", list(settings)), ("drop", drops)):
        path = f"processing.transform.{where}"
        if len(names) > MAX_FIELDS:
            yield f"{path}: must have at most {MAX_FIELDS} fields"
        for name in names:
            if name in KEPT_OUTPUT_FIELDS:
                yield f"{path}: {', '.join(KEPT_OUTPUT_FIELDS)} can be neither set nor dropped"
            elif not _OUTPUT_FIELD.fullmatch(name):
                yield f"{path}: {name!r:.80} must be a field name: letters, digits and _, no digit first"
    yield from (
        f"processing.transform.set.{name}: a field must not be set and dropped at once"
        for name in settings
        if name in drops
    )


def topic_problems(names: Mapping[str, str]) -> Iterator[str]:
    """Yield the fields that name another's topic; `names` by field."""
    for field, name in names.items():
        others = [other for other, same in names.items() if same == name and other != field]
        if others:
            yield f"topics.{field}: {name!r} must differ from topics.{', '.join(others)}"
