"""The parts of a run with metrics, each on a broker of its own."""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from clickstream_bench.counting.freshness import freshness
from clickstream_bench.counting.ingest import ingest
from clickstream_bench.counting.sizes import Sizes
from clickstream_bench.counting.top import top
from clickstream_bench.ground import Ground, ground, say

PARTS: dict[str, Callable[[Ground, Sizes], Any]] = {"ingest": ingest, "freshness": freshness, "top": top}


def run(only: Sequence[str], sizes: Sizes, folder: Path, found: Callable[[str, Any], None]) -> None:
    """Run the parts; `found` is told what each found, and the load of the machine as it began."""
    for name in only:
        load = os.getloadavg()
        say(f"== {name}, load {load[0]:.1f}")
        place = folder / name
        with ground(place) as here:
            figures = PARTS[name](here, sizes)
        found(f"{name}_load_average", load)
        found(name, figures)
        shutil.rmtree(place)
