"""A question about a metric's windows, and what a URL may say of it, publicly and between pods."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clickstream_processor.aggregation.metric import Metric
from clickstream_processor.aggregation.values.keys import MAX_TEXT_BYTES
from clickstream_processor.query.http.parameters import milliseconds, whole_number
from clickstream_processor.query.http.problems import Problem, malformed
from clickstream_processor.query.metrics.reading.match import Match
from clickstream_processor.query.metrics.reading.reading import WindowsRead

LATEST = "latest"
DEFAULT_TOP = 20
MAX_TOP = 1_000
MAX_WINDOWS = 500
MAX_ROWS = 10_000  # windows times rows of each

BY = "by."
PARAMETERS = frozenset({"window", "from", "to", "top"})
PEER_PARAMETERS = frozenset({"metric", "first", "count", "top", "partitions", "role"})


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. `is_exact`: for one window by its start, so it is an error if it is no longer kept."""

    read: WindowsRead
    is_exact: bool = False


def key_parameters(metrics: Sequence[Metric]) -> frozenset[str]:
    """Return the names of the parameters that give keys."""
    return frozenset(BY + name for metric in metrics for name in metric.by)


def question(metric: Metric, parameters: Mapping[str, str], now_ms: int) -> Question:
    """Return the public question; raises Problem 400."""
    top = whole_number(parameters, "top", DEFAULT_TOP, (1, MAX_TOP), "rows")
    windows, is_exact = _windows(metric, parameters, now_ms)
    if len(windows) * top > MAX_ROWS:
        raise malformed(
            f"{len(windows)} windows of {top} rows are more than {MAX_ROWS} rows: ask for fewer of either.",
            "top",
        )
    return Question(WindowsRead(metric, windows, _match(metric, parameters), top), is_exact)


def latest_window_ms(metric: Metric, now_ms: int) -> int:
    """Return the start of the newest window whose end is at most one advance after now.

    Of tumbling windows that is the one that holds now. Of hopping ones it is the one whose newest pane holds
    now, and that has all its other panes.
    """
    panes = metric.panes
    return panes.pane_start_ms(max(0, now_ms + panes.advance_ms - panes.size_ms))


def peer_question(metrics: Mapping[str, Metric], parameters: Mapping[str, str]) -> WindowsRead:
    """Return what a peer asks, of metrics by identity in hex; raises Problem 400, 404."""
    metric = metrics.get(parameters.get("metric", ""))
    if metric is None:
        raise Problem(404, "unknown-metric", "This pod has no metric of that definition.")
    first_ms = milliseconds(parameters, "first") or 0
    number = whole_number(parameters, "count", 1, (0, MAX_WINDOWS), "windows")
    step_ms = metric.panes.advance_ms
    return WindowsRead(
        metric,
        range(first_ms, first_ms + number * step_ms, step_ms),
        _match(metric, parameters),
        whole_number(parameters, "top", DEFAULT_TOP, (1, MAX_TOP), "rows"),
    )


def peer_parameters(read: WindowsRead) -> dict[str, str]:
    """Return the parameters from which `peer_question` makes this."""
    by = {
        BY + name: text
        for name, text in zip(read.metric.by, read.match.given, strict=True)
        if text is not None
    }
    return {
        "metric": read.metric.identity.hex(),
        "first": str(read.windows.start),
        "count": str(len(read.windows)),
        "top": str(read.top),
        **by,
    }


def _windows(metric: Metric, parameters: Mapping[str, str], now_ms: int) -> tuple[range, bool]:
    """Return the starts of the windows, and whether one was named by its start."""
    step_ms, latest_ms = metric.panes.advance_ms, latest_window_ms(metric, now_ms)
    from_ms, to_ms = milliseconds(parameters, "from"), milliseconds(parameters, "to")
    if from_ms is None and to_ms is None:
        text = parameters.get("window", LATEST)
        if text == LATEST:
            return range(latest_ms, latest_ms + step_ms, step_ms), False
        if not text.isdigit():
            raise malformed(f"window must be {LATEST}, or a window's start, ms since the epoch.", "window")
        start_ms = milliseconds(parameters, "window") or 0
        if start_ms % step_ms:
            raise malformed(
                f"Windows of {metric.name} start at multiples of {step_ms} ms; "
                f"the one before {start_ms} starts at {metric.panes.pane_start_ms(start_ms)}.",
                "window",
            )
        return range(start_ms, start_ms + step_ms, step_ms), True
    if "window" in parameters:
        raise malformed("window is for one window; from and to are for several.", "window")
    if from_ms is None:
        raise malformed("to says where the windows end: it needs from.", "to")
    if to_ms is not None and from_ms >= to_ms:
        raise malformed(f"from must be before to, which is {to_ms}; it is {from_ms}.", "from")
    first_ms = -(-from_ms // step_ms) * step_ms
    windows = range(first_ms, max(first_ms, latest_ms + 1 if to_ms is None else to_ms), step_ms)
    if len(windows) > MAX_WINDOWS:
        raise malformed(
            f"{len(windows)} windows start from {from_ms} on; at most {MAX_WINDOWS} are given at once.",
            "from",
        )
    return windows, False


def _match(metric: Metric, parameters: Mapping[str, str]) -> Match:
    given = tuple(parameters.get(BY + name) for name in metric.by)
    for name, text in zip(metric.by, given, strict=True):
        if text is not None:
            _check_text(BY + name, text)
    return Match(given)


def _check_text(parameter: str, text: str) -> None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise malformed(f"{parameter} is not valid UTF-8.", parameter) from error
    if size > MAX_TEXT_BYTES:
        raise malformed(
            f"{parameter} has {size} bytes. Longer texts than {MAX_TEXT_BYTES} are counted cut, with an "
            "ellipsis at the end: ask for the text as a row has it.",
            parameter,
        )
