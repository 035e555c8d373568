"""When a pipeline that has just started is as quick as it will be: a new broker's commits take long. Pure."""

from collections.abc import Sequence

QUICKER = 0.9  # of the quickest before: what is less than that is progress
IN_A_ROW = 5
MOST = 20


def is_warm(medians_ms: Sequence[float]) -> bool:
    """Tell whether the last seconds of clicks were no quicker than one before, or 20 have passed.

    `medians_ms`: of each second's clicks, from their writes to their outputs.
    """
    if len(medians_ms) >= MOST:
        return True
    before, last = medians_ms[:-IN_A_ROW], medians_ms[-IN_A_ROW:]
    return bool(before) and min(last) >= QUICKER * min(before)
