"""Mounted Secrets: the pods' own key, clients' bearer tokens, the search engine's user.

Files are read again when they change (a Secret's volume is updated in place by swapping a link), looked
at no more often than each second. Comparison takes the same time wherever two values differ: digests
of equal length are compared, all of them, always. A Secret that cannot be read lets nobody in.
"""

import hmac
import logging
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

log = logging.getLogger(__name__)

_LOOK_AGAIN_S = 1.0
_SCHEME = "bearer "


def _lines(path: Path) -> tuple[str, ...]:
    """Return the values in a file, or in all files of a folder; lines starting with # are remarks.

    Kubernetes keeps its own links (``..data``) in a mounted folder: names with a dot in front are skipped.
    """
    files = sorted(p for p in path.iterdir() if not p.name.startswith(".")) if path.is_dir() else [path]
    texts = [line.strip() for file in files for line in file.read_text().splitlines()]
    return tuple(text for text in texts if text and not text.startswith("#"))


def _mark(path: Path) -> tuple[tuple[str, int, int], ...]:
    """Return what changes when the Secret at ``path`` changes: names, times and sizes of its files."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return tuple((str(p), s.st_mtime_ns, s.st_ino) for p in files for s in (p.stat(),))


class Secret:
    """The values of one mounted Secret, as they stand in the files now."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._looked_at = float("-inf")
        self._seen: object = None
        self._values: tuple[str, ...] = ()
        self._digests: tuple[bytes, ...] = ()

    def values(self) -> tuple[str, ...]:
        """Return the values, read again when the files changed; none when they cannot be read."""
        now = self._clock()
        if now - self._looked_at < _LOOK_AGAIN_S:
            return self._values
        self._looked_at = now
        try:
            mark = _mark(self._path)
            if mark != self._seen:
                self._values = _lines(self._path)
                self._seen = mark
        except (OSError, UnicodeDecodeError) as error:
            if self._seen != "unreadable":
                log.error("cannot read the secret at %s: %s", self._path, type(error).__name__)
            self._seen, self._values = "unreadable", ()
        self._digests = tuple(sha256(value.encode()).digest() for value in self._values)
        return self._values

    def first(self) -> str:
        """Return the first value; empty when there is none."""
        values = self.values()
        return values[0] if values else ""

    def admits(self, authorization: str | None) -> bool:
        """Tell whether an Authorization header carries one of the values as a bearer token."""
        self.values()
        if authorization is None or authorization[: len(_SCHEME)].lower() != _SCHEME:
            return False
        given = sha256(authorization[len(_SCHEME) :].strip().encode("utf-8", "surrogateescape")).digest()
        admitted = False
        for digest in self._digests:
            admitted |= hmac.compare_digest(given, digest)
        return admitted


def basic_user(folder: Path) -> tuple[str, str]:
    """Return user name and password of a mounted Secret with the keys ``username`` and ``password``.

    Raises OSError when a file cannot be read: the caller reports the index as not ready and tries again.
    """
    return (folder / "username").read_text().strip(), (folder / "password").read_text().strip()
