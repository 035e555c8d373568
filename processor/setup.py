"""Builds the package as pure Python; with CLICKSTREAM_COMPILE=1 the hot modules also as native code.

The images are built that way, and `scripts/compiled` for the benchmark and CI (ADR 0021, the compiled line).
The sources are the same, and stay in the package: without the compiled modules they run as they are.
"""

import os
import sys
from typing import Any

from setuptools import setup  # type: ignore[import-untyped]

COMPILER = "mypy[mypyc]==2.4.1"
HOT = ("keys", "pipeline", "refusals", "window", "users/chunk", "users/count", "users/results", "users/users")
IDS = ("deduplication", "interval", "segment")  # of processing.dedup
OPTIONS = ("--follow-imports=silent", "--ignore-missing-imports")


def extensions() -> list[Any]:
    """Return the native modules: made from the sources by mypyc when it is time to build them."""
    if {"egg_info", "dist_info"}.intersection(sys.argv):
        return []  # asked for metadata: the compiler may not be there yet
    from mypyc.build import mypycify

    sources = [f"clickstream_processor/topology/{name}.py" for name in HOT]
    sources += [f"clickstream_processor/deduplication/{name}.py" for name in IDS]
    return list(mypycify([*OPTIONS, *sources], group_name="clickstream_processor"))


if os.environ.get("CLICKSTREAM_COMPILE") == "1":
    setup(setup_requires=[COMPILER], ext_modules=extensions())
else:
    setup()
