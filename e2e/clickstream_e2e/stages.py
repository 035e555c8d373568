"""How long each stage took: printed when the suite ends."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

STAGES: list[tuple[str, float]] = []  # name, seconds


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Time a stage and say so."""
    began = time.monotonic()
    print(f"\n  {name} ...", flush=True)
    yield
    STAGES.append((name, time.monotonic() - began))
