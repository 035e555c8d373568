"""The write keys that are valid now: a mounted file, read again when it changes.

A key is looked up by a digest under a secret of this process. So the time a look-up takes says nothing of how
much of a guess is right. A file that cannot be read lets nobody in, and says so with KeysUnreadable.
"""

import logging
import secrets
import time
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

from clickstream_collector.errors import KeysUnreadable
from clickstream_collector.sender.key_lines import KeyLine, WrongKeyLine, key_lines
from clickstream_collector.sender.rates import TokenBucket

log = logging.getLogger(__name__)

_LOOK_AGAIN_S = 1.0


class WriteKey:
    """A key that is valid: what its line says, and its bucket."""

    __slots__ = ("bucket", "line")

    def __init__(self, line: KeyLine, now_s: float) -> None:
        self.line = line
        self.bucket = TokenBucket(line.rate, now_s) if line.rate else None

    def admits(self, origin: str | None) -> bool:
        """Tell whether a page of this origin may use the key; without an origin it is no page."""
        return origin is None or not self.line.origins or origin.lower() in self.line.origins


ANYBODY = WriteKey(KeyLine(""), 0.0)


class WriteKeys:
    """The keys in the file at `path`; without a path everybody is let in."""

    def __init__(self, path: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._keyed = blake2b(key=secrets.token_bytes(32), digest_size=32)
        self._looked_at_s = float("-inf")
        self._mark: object = None
        self._keys: dict[bytes, WriteKey] = {}
        self._why: str | None = None if path is None else "not read yet"

    @property
    def is_open(self) -> bool:
        """Tell whether no key is needed."""
        return self._path is None

    def find(self, key: str) -> WriteKey | None:
        """Return a key if it is valid. Raises KeysUnreadable."""
        if self._path is None:
            return ANYBODY
        self._look()
        return self._keys.get(self._digest(key))

    def admits_origin(self, origin: str) -> bool:
        """Tell whether pages of this origin may use any key: what a preflight asks, which has no key."""
        if self._path is None:
            return True
        self._look()
        return any(key.admits(origin) for key in self._keys.values())

    def check(self) -> None:
        """Read the file if it changed. Raises KeysUnreadable."""
        if self._path is not None:
            self._look()

    def _look(self) -> None:
        now_s = self._clock()
        if now_s - self._looked_at_s >= _LOOK_AGAIN_S:
            self._looked_at_s = now_s
            self._read(now_s)
        if self._why is not None:
            raise KeysUnreadable(self._why)

    def _read(self, now_s: float) -> None:
        if self._path is None:
            return
        try:
            status = self._path.stat()
            mark = (status.st_mtime_ns, status.st_ino, status.st_size)
            if mark == self._mark:
                return
            lines = key_lines(self._path.read_text())
        except (OSError, UnicodeDecodeError, WrongKeyLine) as error:
            why = str(error) if isinstance(error, WrongKeyLine) else type(error).__name__
            if why != self._why:
                log.error("cannot read the write keys at %s: %s", self._path, why)
            self._mark, self._keys, self._why = None, {}, why
            return
        self._keep(lines, now_s)
        self._mark, self._why = mark, None
        log.info("write keys: %d", len(lines))

    def _keep(self, lines: list[KeyLine], now_s: float) -> None:
        """Take new lines; a key whose line is as before keeps its bucket."""
        before = {key.line: key for key in self._keys.values()}
        self._keys = {self._digest(line.key): before.get(line) or WriteKey(line, now_s) for line in lines}

    def _digest(self, key: str) -> bytes:
        digest = self._keyed.copy()  # half as dear as to begin with the secret each time
        digest.update(key.encode(errors="surrogatepass"))
        return digest.digest()
