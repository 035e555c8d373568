"""How much of a long read is done in one turn of the event loop."""

from clickstream_processor.query.metrics.refusals import too_much_to_read
from clickstream_processor.state.reads import Steps

STEP_ENTRIES = 1_000  # of counts: about half a millisecond
SLOWER = 4  # other aggregates take so many times as long
LOOK = 32  # a look at the store costs as much as so many entries


class Pace:
    """Ends a step when enough was done since the last one; shared by the reads of one question."""

    def __init__(self) -> None:
        self._done = 0

    def after(self, entries: int) -> Steps[None]:
        """Note some work. Raises Problem 503 when the question has taken its time."""
        self._done += entries + LOOK
        if self._done >= STEP_ENTRIES:
            self._done = 0
            if (yield):
                raise too_much_to_read()
