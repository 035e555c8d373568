"""Points of the protocol at which a test may kill this process: CLICKSTREAM_CRASH_AT=<point>[:<n>].

Inert without that variable. `n` (default 1) is the time the point is reached that kills. The kill is
SIGKILL: no handler, no flush, no destructor, as a lost node would do it.
"""

import os
import signal

POINTS = (
    "after-begin",  # a transaction is open, nothing produced
    "mid",  # some of an interval's outputs are produced
    "after-flush",  # everything is produced and acknowledged by the brokers, the transaction is open
    "after-commit",  # the transaction is committed, RocksDB does not know
    "after-write",  # RocksDB has the commit
    "before-fence",  # a take-over has begun
    "after-fence",  # the former owners are fenced, nothing is restored
    "before-acquired",  # restored, not yet acknowledged
    "before-released",  # dropped in order, not yet acknowledged
)


class CrashPoints:
    """Counts how often each point is reached, and kills the process at the chosen one."""

    def __init__(self, chosen: str = "") -> None:
        """`chosen` is the variable's value; raises ValueError when it names no point."""
        self._point, _, count = chosen.partition(":")
        if self._point and self._point not in POINTS:
            raise ValueError(f"CLICKSTREAM_CRASH_AT: {self._point!r} must be one of {', '.join(POINTS)}")
        self._left = int(count or 1)

    def reach(self, point: str) -> None:
        """Kill the process if this is the chosen point and its turn."""
        if point != self._point:
            return
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
