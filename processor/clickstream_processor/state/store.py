"""One task's committed state: a RocksDB database of its own, data and offsets written in one atomic batch.

The worker's thread writes and closes; any thread may read. A reader that comes after `close` gets StoreClosed,
and `close` waits for readers that are inside.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from clickstream_processor.state.checkpoint import Checkpoint
from clickstream_processor.state.memory import StateMemory


class TaskStore:
    """Ordered mapping bytes -> bytes under one checkpoint."""

    path: Path
    checkpoint: Checkpoint  # replaced whole by each write

    @classmethod
    def open(cls, path: Path, memory: StateMemory) -> "TaskStore":
        """Open or create; raises StateCorrupted (delete and restore) or StateTooNew (do not touch)."""
        raise NotImplementedError

    def close(self) -> None:
        """Flush and close; idempotent. What was written is on disk afterwards."""
        raise NotImplementedError

    @staticmethod
    def destroy(path: Path) -> None:
        """Delete a closed (or corrupted) store's directory; no error if there is none."""
        raise NotImplementedError

    def get(self, key: bytes) -> bytes | None:
        """Return one value."""
        raise NotImplementedError

    def scan(self, first: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield entries with first <= key < end; only for the owner's thread."""
        raise NotImplementedError

    def profile(self, user: str) -> bytes | None:
        """Return a profile's JSON as it came."""
        raise NotImplementedError

    def write(
        self,
        changes: Iterable[tuple[bytes, bytes | None]],
        checkpoint: Checkpoint,
        *,
        drop_before_ms: int = 0,
    ) -> None:
        """Write changes (None deletes) and the checkpoint, all or nothing; then show the new checkpoint.

        `drop_before_ms`: chunks that start earlier are removed in bulk in the same batch.
        """
        raise NotImplementedError

    def properties(self) -> dict[str, int]:
        """Return sizes for metrics: `sst_bytes`, `memtable_bytes`, `pending_compaction_bytes`, `keys`."""
        raise NotImplementedError
