"""Partitions in a URL: ascending ranges, such as 0-3,7. Pure."""

from collections.abc import Iterable


def spelled(partitions: Iterable[int]) -> str:
    """Return the ranges."""
    ranges: list[list[int]] = []
    for partition in sorted(partitions):
        if ranges and partition == ranges[-1][1] + 1:
            ranges[-1][1] = partition
        else:
            ranges.append([partition, partition])
    return ",".join(f"{first}" if first == last else f"{first}-{last}" for first, last in ranges)


def read(text: str, number: int) -> list[int]:
    """Return the partitions among `number`, each once; raises ValueError."""
    found: set[int] = set()
    for part in text.split(",") if text else ():
        first, dash, last = part.partition("-")
        ends = [first, last] if dash else [first]
        if not all(each.isascii() and each.isdigit() and len(each) < 7 for each in ends):
            raise ValueError(f"{part!r:.20} is no range of partitions")
        if not int(ends[0]) <= int(ends[-1]) < number:
            raise ValueError(f"{part!r:.20} is no range among {number} partitions")
        found.update(range(int(ends[0]), int(ends[-1]) + 1))
    return sorted(found)
