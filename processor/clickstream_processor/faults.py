"""Where the fault suite takes hold of a pod. The product runs with `Faults`, which does nothing anywhere.

`python -m clickstream_local.testing.faulty_pod` runs a pod with faults; it is in no image.
"""

POINTS = (
    "after-begin",  # a transaction is open, nothing produced
    "mid",  # some of an interval's outputs are produced
    "after-flush",  # everything is produced and acknowledged by the brokers, the transaction is open
    "after-commit",  # the transaction is committed, RocksDB (or the replay's report) does not know
    "after-write",  # RocksDB has the commit
    "before-fence",  # a take-over has begun
    "after-fence",  # the former owners are fenced, nothing is restored
    "before-acquired",  # restored, not yet acknowledged
    "before-released",  # dropped in order, not yet acknowledged
    "after-start",  # a replay has fixed where it ends, and has sent nothing
    "before-wait",  # a replay has sent everything
    "after-survey",  # an erasure knows what there is, and has told nobody
    "after-records",  # an erasure has written its records to the tasks' input
    "after-pods",  # the pods have forgotten the users
    "after-tombstones",  # an erasure has written its tombstones to the other compacted topics
    "after-index",  # the index has nothing of the users
)
RULES = ("R1", "R2", "R3", "R4", "R13", "R14", "R18")  # those of protocol.md that can be left out


class Faults:
    """No faults."""

    def reach(self, point: str) -> None:
        """Come past one of POINTS."""

    def skips(self, rule: str) -> bool:  # noqa: ARG002
        """Tell whether one of RULES is left out."""
        return False


NO_FAULTS = Faults()
