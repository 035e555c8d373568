"""Reads a task's database as its published layout says, and compares it with the model.

The layout (docs/adr/0001-state-layout.md): keys `p` + user for profiles, the record's JSON as it came; keys
`c` + chunk start (8 bytes, big-endian) + user for counts, whose values begin with a version byte, the number
of windows (2 bytes, little-endian) and 8 bytes of seconds; then each window's index (2 bytes), count (4) and
greatest event time (4). Nothing here comes from the product.
"""

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rocksdict import AccessType, Options, Rdict

from clickstream_chaos.load.odd import is_odd_user

VERSION = 1
HEAD, WINDOW = struct.Struct("<BHII"), struct.Struct("<HII")


@dataclass(frozen=True, slots=True)
class State:
    """What a task must have on disk."""

    profiles: Mapping[str, Mapping[str, Any]]  # of all users
    counts: Mapping[tuple[str, int], int]  # (user, window start) -> count, of the task's partition
    users: set[str]  # of the task's partition


class Damaged(Exception):
    """A block of the database fails its checksum."""


def compare(folder: Path, expected: State, window_ms: int) -> list[str]:
    """Return what differs between a closed database and the model, in words. Raises Damaged."""
    database = Rdict(str(folder), Options(raw_mode=True), access_type=AccessType.read_only())
    try:
        profiles, counts = _read(database, window_ms)
    finally:
        database.close()
    wrong = [
        f"count of {key} is {counts.get(key)}, not {expected.counts.get(key)}"
        for key in sorted(counts.keys() | expected.counts.keys())
        if counts.get(key) != expected.counts.get(key)
    ]
    for name in sorted(expected.users & expected.profiles.keys()):
        found = profiles.get(name, {})
        if any(found.get(part) != value for part, value in expected.profiles[name].items()):
            wrong.append(f"profile of {name} is {found}")
    return wrong


def _read(database: Rdict, window_ms: int) -> tuple[dict[str, Any], dict[tuple[str, int], int]]:
    profiles: dict[str, Any] = {}
    counts: dict[tuple[str, int], int] = {}
    for key, value in _entries(database):
        kind, rest = key[:1], key[1:]
        if kind == b"p":
            profiles[rest.decode()] = json.loads(value)
        elif kind == b"c":
            start_ms, name = int.from_bytes(rest[:8], "big"), rest[8:].decode()
            if is_odd_user(name):
                continue
            for index, count in _windows(value):
                counts[name, start_ms + index * window_ms] = count
    return profiles, counts


def _entries(database: Rdict) -> Iterator[tuple[bytes, bytes]]:
    cursor = database.iter()
    cursor.seek_to_first()
    while cursor.valid():
        yield bytes(cursor.key()), bytes(cursor.value())
        cursor.next()
    try:
        cursor.status()  # it ends at a damaged block as it ends at the last entry
    except Exception as error:  # rocksdict raises nothing more special
        raise Damaged(str(error)) from error


def _windows(value: bytes) -> Iterator[tuple[int, int]]:
    """Yield (index, count) of a chunk's windows."""
    version, number, _, _ = HEAD.unpack_from(value)
    if version != VERSION:
        raise ValueError(f"a chunk of format {version}; the suite knows {VERSION}")
    for at in range(number):
        index, count, _ = WINDOW.unpack_from(value, HEAD.size + at * WINDOW.size)
        yield index, count
