"""Durations and quantities of bytes, as the settings file writes them."""

import re
from typing import Any


class Milliseconds(int):
    """A duration of the file (`100ms`, `10s`, `5m`, `1h`, `30d`) in milliseconds."""


class Bytes(int):
    """A Kubernetes quantity of the file (`1Gi`, `512Mi`, `1G`) in bytes."""


_MILLISECONDS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_FACTORS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_FACTORS |= {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}


def decode_unit(kind: type, value: object) -> Any:
    """Convert a duration or a quantity, as a hook of msgspec; raises ValueError with what is allowed."""
    if kind is Milliseconds:
        match = re.fullmatch(r"([0-9]{1,12})(ms|s|m|h|d)", value) if isinstance(value, str) else None
        if match is None:
            raise ValueError("must be a duration such as 100ms, 10s, 5m, 1h or 30d")
        return Milliseconds(int(match[1]) * _MILLISECONDS[match[2]])
    if kind is Bytes:
        match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,3})?)([kMGT]|[KMGT]i)?", str(value))
        if match is None:
            raise ValueError("must be a quantity of bytes such as 512Mi, 1Gi or 1000000000")
        return Bytes(float(match[1]) * _FACTORS[match[2] or ""])
    raise NotImplementedError(kind)  # as msgspec wants it of a hook that does not know a type
