"""Takes what an erasure has deleted out of the files of a store: they are rewritten, in the background.

RocksDB deletes by writing that a key is deleted; the value stays in its files until they happen to be
rewritten. All files are rewritten, for a range would name the user in RocksDB's own log.
"""

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

from rocksdict import BottommostLevelCompaction, CompactOptions, Rdict

from clickstream_processor.errors import ProcessorError

log = logging.getLogger(__name__)

WAIT_S = 0.1
_ONE = threading.Lock()  # one store at a time: the disk is the tasks'


class Purge:
    """The purges of one store, each on a thread of its own."""

    def __init__(self, reader: Callable[[], AbstractContextManager[Rdict]], name: str) -> None:
        """`reader` gives the database, as to any reader; `name` is for the log."""
        self._reader, self._name = reader, name
        self._asked = self._done = 0
        self._running = self._ended = False
        self._changed = threading.Lock()
        self._thread = threading.Thread(target=self._run)

    @property
    def under_way(self) -> bool:
        """Tell whether the files may still have what was deleted."""
        return self._done < self._asked

    def ask(self) -> None:
        """Purge what is deleted by now. Returns at once; a purge that is under way is followed by another."""
        with self._changed:
            self._asked += 1
            if self._running or self._ended:
                return
            self._running = True
            self._thread = threading.Thread(target=self._run, name="purge", daemon=True)
            self._thread.start()

    def give_up(self, database: Rdict | None) -> bool:
        """Before the store is closed: end what is under way. The next one to open the store begins again.

        Returns whether something was: then the database is flushed, and cannot be flushed once more.
        """
        with self._changed:
            self._ended = True
            if not self._running or database is None:
                return False
        try:
            database.flush()
        except Exception as error:  # noqa: BLE001 # rocksdict's; the store's own flush says the same
            log.debug("flushing %s: %s", self._name, error)
            return False
        database.cancel_all_background(True)
        self._thread.join()  # it has a reference to the database
        return True

    def _run(self) -> None:
        while True:
            with self._changed:
                asked = self._asked
                if self._ended or self._done == asked:
                    self._running = False
                    return
            if not _ONE.acquire(timeout=WAIT_S):
                continue
            try:
                self._rewrite()
            except ProcessorError as error:
                log.info("%s is not purged yet: %s", self._name, error)
                with self._changed:
                    self._running = False
                return
            finally:
                _ONE.release()
            with self._changed:
                self._done = asked
            log.info("%s is purged: its files have nothing of erased users", self._name)

    def _rewrite(self) -> None:
        options = CompactOptions()
        options.set_bottommost_level_compaction(BottommostLevelCompaction.force())
        with self._reader() as database:
            database.flush()
            database.compact_range(None, None, options)
