"""The list of faults: a name, a weight for the draw, and what a fault needs of the machine and the run."""

import ctypes.util
import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from clickstream_chaos.suite import Suite

Fault = Callable[[Suite], None]
LONG_RUN_MINUTES = 30
PROXY, MOUNT, FAKETIME, TIME = "a pod behind a proxy", "root, for a small volume", "libfaketime", "a long run"


@dataclass(frozen=True, slots=True)
class Entry:
    """A registered fault."""

    weight: int
    inject: Fault
    needs: str
    stalls: bool  # Kafka and the network are well: what readers of committed data wait for is our doing


ALL: dict[str, Entry] = {}


def fault(name: str, weight: int = 1, *, needs: str = "", stalls: bool = True) -> Callable[[Fault], Fault]:
    """Register a fault under a name that `--faults` takes."""

    def register(function: Fault) -> Fault:
        ALL[name] = Entry(weight, function, needs, stalls)
        return function

    return register


def draw(chance: random.Random, names: list[str]) -> str:
    """Return one of the named faults, by weight."""
    (name,) = chance.choices(names, [ALL[name].weight for name in names])
    return name


def possible(*, proxied: bool, minutes: float) -> list[str]:
    """Return the faults that this machine and a run of such a length allow."""
    return [name for name in ALL if not missing(name, proxied=proxied, minutes=minutes)]


def missing(name: str, *, proxied: bool, minutes: float) -> str:
    """Return what a fault needs and does not have; empty when it can be injected."""
    needs = ALL[name].needs
    has = {
        "": True,
        PROXY: proxied,
        MOUNT: os.geteuid() == 0 and shutil.which("mount") is not None,
        FAKETIME: faketime() is not None,
        TIME: minutes >= LONG_RUN_MINUTES,
    }
    return "" if has[needs] else needs


def faketime() -> Path | None:
    """Return the library that gives a process a clock of its own (Debian's package `faketime`)."""
    places = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    found = ctypes.util.find_library("faketimeMT")
    return places[0] if places else Path(found) if found else None
