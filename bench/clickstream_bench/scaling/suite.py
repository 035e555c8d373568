"""The parts of a scaling run, each on a broker of its own."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from clickstream_bench.ground import Ground, ground, say
from clickstream_bench.scaling.ingest import partitions, pods, users
from clickstream_bench.scaling.queries import queries
from clickstream_bench.scaling.sizes import Sizes
from clickstream_bench.scaling.soak import soak
from clickstream_bench.scaling.source import postgres

PARTS: dict[str, Callable[[Ground, Sizes], dict[str, Any]]] = {
    "pods": pods,
    "users": users,
    "partitions": partitions,
    "soak": soak,
    "queries": queries,
    "postgres": postgres,
}


def run(
    only: Sequence[str], sizes: Sizes, folder: Path, found: Callable[[str, dict[str, Any]], None]
) -> None:
    """Run the parts; `found` is told what each found, as soon as it is known."""
    for name in only:
        say(f"== {name}")
        place = folder / name
        with ground(place) as here:
            figures = PARTS[name](here, sizes)
        found(name, figures)
        shutil.rmtree(place)
