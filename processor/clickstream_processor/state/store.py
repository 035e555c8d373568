"""One task's committed state: a RocksDB database of its own, data and offsets written in one atomic batch.

One keyspace (topology/keys.py) in one column family, so that a batch is atomic whether the write-ahead log is
on or off (ADR 0001). One thread at a time writes, scans and closes; any thread may read through `reader()`: a
reader that comes after `close` gets StoreClosed, and `close` waits for the readers that are inside.
"""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from threading import Condition

import msgspec
from rocksdict import (
    BlockBasedOptions,
    DbClosedError,
    DBCompressionType,
    Options,
    Rdict,
    ReadOptions,
    WriteBatch,
    WriteOptions,
)

from clickstream_processor.aggregation.partials import PANE
from clickstream_processor.errors import StateCorrupted, StateUnavailable, StoreClosed
from clickstream_processor.state.changes import Change, Changes
from clickstream_processor.state.checkpoint import Checkpoint
from clickstream_processor.state.memory import StateMemory
from clickstream_processor.state.purge import Purge
from clickstream_processor.topology import keys

# A write holds the interpreter's lock: this many keys take about 10 ms.
BATCH_KEYS = 20_000
# Small memtables stay in the processor's caches: 1 M keys are written a fifth faster than with 64 MiB.
WRITE_BUFFER_BYTES = 4 << 20
TARGET_FILE_BYTES = 16 << 20
BLOOM_BITS = 10
# Of a memtable, for a filter of its own: 16 bits for each of its keys. Many look-ups are for chunks that are
# not there; without it each of them searches a list of some 40,000 keys.
MEMTABLE_BLOOM_SHARE = 0.02


class TaskStore:
    """Ordered mapping bytes -> bytes under one checkpoint."""

    def __init__(self, path: Path, database: Rdict, checkpoint: Checkpoint) -> None:
        """Take over an open database; use `open`."""
        self.path = path
        self.checkpoint = checkpoint  # replaced whole by each write
        self.damage: StateCorrupted | None = None  # found by a reader; whoever holds the task rebuilds it
        self.changes = Changes(PANE)  # of metrics
        self._database: Rdict | None = database
        self._readers = 0
        self._closing = False
        self._changed = Condition()
        self._unlogged = False  # something was written without the log since the last flush
        self._purge = Purge(self.reader, path.name)
        if checkpoint.unpurged:
            self._purge.ask()

    @classmethod
    def open(cls, path: Path, memory: StateMemory) -> "TaskStore":
        """Open or create.

        Raises StateCorrupted (delete and restore), StateTooNew (do not touch), StateUnavailable (the volume).
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
            database = Rdict(str(path), _options(memory))
        except Exception as error:
            raise _translated(error, path) from error
        try:
            encoded = database.get(keys.CHECKPOINT)
            checkpoint = Checkpoint() if encoded is None else Checkpoint.decode(encoded)
        except Exception as error:
            database.close()
            raise _translated(error, path) from error
        return cls(path, database, checkpoint)

    def close(self) -> None:
        """Flush and close, once no reader is inside; idempotent. What was written is on disk afterwards."""
        with self._changed:
            self._closing = True
        flushed = self._purge.give_up(self._database)
        with self._changed:
            self._changed.wait_for(lambda: self._readers == 0)
            database, self._database = self._database, None
        if database is not None and flushed:
            with suppress(Exception):  # it would flush once more, and cannot; it ends with its last reference
                database.close()
        elif database is not None:
            try:
                try:
                    database.flush()
                finally:
                    database.close()  # raises as well, on a damaged file
            except Exception as error:
                raise _translated(error, self.path) from error

    @staticmethod
    def destroy(path: Path) -> None:
        """Delete a closed (or corrupted) store's directory; no error if there is none."""
        if path.exists():
            shutil.rmtree(path)

    @contextmanager
    def reader(self) -> Iterator[Rdict]:
        """Give a reader of any thread the database for a short time; raises StoreClosed."""
        with self._changed:
            if self._closing or self._database is None:
                raise StoreClosed(f"{self.path.name} was closed")
            self._readers += 1
            database = self._database
        try:
            yield database
        except Exception as error:
            raise _translated(error, self.path) from error
        finally:
            with self._changed:
                self._readers -= 1
                self._changed.notify_all()

    def get(self, key: bytes) -> bytes | None:
        """Return one value; only for the thread that writes."""
        try:
            value: bytes | None = self._open().get(key)
        except Exception as error:
            raise _translated(error, self.path) from error
        return value

    def scan(self, first: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield entries with first <= key < end, in order; only for the thread that writes."""
        options = ReadOptions()
        options.set_iterate_upper_bound(end)
        try:
            cursor = self._open().iter(options)
            cursor.seek(first)
            while cursor.valid():
                yield cursor.key(), cursor.value()
                cursor.next()
            cursor.status()  # it ends at a damaged block as it ends at the last entry; this tells them apart
        except Exception as error:
            raise _translated(error, self.path) from error

    def write(
        self,
        changes: Iterable[Change],
        checkpoint: Checkpoint,
        *,
        bulk: bool = False,
        expired: Iterable[tuple[bytes, bytes]] = (),
        erases: bool = False,
    ) -> None:
        """Write changes (None deletes) and the checkpoint; then show the new checkpoint.

        All or nothing up to BATCH_KEYS changes. Of more, a crash can leave the first ones without the
        checkpoint: values are absolute, so replaying from the old checkpoint fixes that. Chunks that start
        before `checkpoint.dropped_before_ms` are removed in bulk, and so are the ranges [first, end) in
        `expired`, whatever the changes say of them. `bulk` leaves the write-ahead log out, for
        restores: a crash then loses what was not flushed, data and checkpoint together. `erases`: what is
        deleted is to leave the files as well (purge.py); the checkpoint says so until it has.
        """
        unpurged = erases or self._purge.under_way
        if checkpoint.unpurged != unpurged:
            checkpoint = msgspec.structs.replace(checkpoint, unpurged=unpurged)
        database = self._open()
        try:
            if self._unlogged and not bulk:
                database.flush()  # else the log would hold a checkpoint without the data before it
                self._unlogged = False
            self._unlogged = self._unlogged or bulk
            options = WriteOptions()
            options.disable_wal = bulk  # type: ignore[method-assign, assignment] # a property, unlike its stub
            remaining = iter(changes)
            while True:
                batch = WriteBatch(raw_mode=True)
                written = list(islice(remaining, BATCH_KEYS))
                for key, value in written:
                    if value is None:
                        batch.delete(key)
                    else:
                        batch[key] = value
                last = len(batch) < BATCH_KEYS
                if last:
                    for first, end in expired:
                        batch.delete_range(first, end)
                    self._finish(batch, checkpoint)
                with self.changes.writing():
                    database.write(batch, options)
                    self.changes.add(written)
                if last:
                    break
        except Exception as error:
            raise _translated(error, self.path) from error
        if erases:
            self._purge.ask()  # first: whoever sees the checkpoint sees that
        self.checkpoint = checkpoint

    def flush(self) -> None:
        """Write what is in memory to disk files."""
        try:
            self._open().flush()
            self._unlogged = False
        except Exception as error:
            raise _translated(error, self.path) from error

    @property
    def unpurged(self) -> bool:
        """Tell whether the files may still have what an erasure has deleted; from any thread."""
        return self._purge.under_way

    def properties(self) -> dict[str, int]:
        """Return sizes for metrics; from any thread. Raises StoreClosed."""
        names = {
            "sst_bytes": "rocksdb.total-sst-files-size",
            "memtable_bytes": "rocksdb.cur-size-all-mem-tables",
            "pending_compaction_bytes": "rocksdb.estimate-pending-compaction-bytes",
            "keys": "rocksdb.estimate-num-keys",
        }
        with self.reader() as database:
            return {name: database.property_int_value(key) or 0 for name, key in names.items()}

    def _finish(self, batch: WriteBatch, checkpoint: Checkpoint) -> None:
        """Add the end of a write to its last batch: expiry and the checkpoint."""
        before = self.checkpoint.dropped_before_ms
        if checkpoint.dropped_before_ms > before:
            batch.delete_range(keys.chunk_bound(before), keys.chunk_bound(checkpoint.dropped_before_ms))
        batch[keys.CHECKPOINT] = checkpoint.encode()

    def _open(self) -> Rdict:
        if self._database is None:
            raise StoreClosed(f"{self.path.name} was closed")
        return self._database


def _options(memory: StateMemory) -> Options:
    blocks = BlockBasedOptions()
    blocks.set_block_cache(memory.block_cache)
    blocks.set_cache_index_and_filter_blocks(True)  # or they are outside the cache's bound
    blocks.set_bloom_filter(BLOOM_BITS, False)
    blocks.set_format_version(5)
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_block_based_table_factory(blocks)
    options.set_write_buffer_manager(memory.write_buffers)
    options.set_memtable_whole_key_filtering(True)
    options.set_memtable_prefix_bloom_ratio(MEMTABLE_BLOOM_SHARE)
    options.set_write_buffer_size(WRITE_BUFFER_BYTES)
    options.set_target_file_size_base(TARGET_FILE_BYTES)
    options.set_compression_type(DBCompressionType.lz4())
    options.set_max_background_jobs(2)
    options.set_keep_log_file_num(2)
    options.set_max_log_file_size(1 << 20)
    options.set_stats_dump_period_sec(0)
    return options


def _translated(error: Exception, path: Path) -> Exception:
    """Return the error of ours that says what to do about one of RocksDB's (rocksdict: bare Exception)."""
    if type(error) is not Exception and not isinstance(error, (DbClosedError, OSError)):
        return error
    if isinstance(error, DbClosedError):
        return StoreClosed(f"{path.name} was closed")
    text = str(error)
    if text.startswith(("Corruption", "Invalid argument")) or ".sst: No such file" in text:
        return StateCorrupted(f"{path}: {text}")
    return StateUnavailable(f"{path}: {text}")
