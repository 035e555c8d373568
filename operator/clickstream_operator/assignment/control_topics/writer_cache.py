"""Open writers that their controllers may want again soon.

A writer costs its transactional id's initialisation and four threads. Kept are those used last, so that
a few pipelines publish at once and five hundred do not hold two thousand threads for it.
"""

import threading
from collections import OrderedDict

from clickstream_operator.assignment.control_topics.writer import ControlWriter

KEPT = 8


class WriterCache:
    """Used from many threads; a writer is either here or in the hands of its controller."""

    def __init__(self) -> None:
        self._writers: OrderedDict[str, ControlWriter] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, controller: str) -> ControlWriter | None:
        """Return the controller's writer, None when it was not kept."""
        with self._lock:
            return self._writers.pop(controller, None)

    def put(self, controller: str, writer: ControlWriter) -> None:
        """Keep a writer, and close the one that has waited longest when there are too many."""
        with self._lock:
            self._writers[controller] = writer
            if len(self._writers) > KEPT:
                self._writers.popitem(last=False)

    def drop(self, controller: str) -> None:
        """Close the controller's writer, if it was kept."""
        self.take(controller)
