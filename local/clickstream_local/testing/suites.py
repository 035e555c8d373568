"""Which suite a test belongs to, and which worker it runs on: a pytest plugin, loaded by pyproject.toml.

A test is real when it asks for the fixture of a real part (or of helm, which is built once), or when its
module says `pytestmark = pytest.mark.real`. All others are pure: `make unit`. What is marked `long` is for
`make test-long`. The gate takes a sample of it: `CLICKSTREAM_SAMPLE=0.2`, with a new draw in each run unless
`CLICKSTREAM_SEED` is set; `0` leaves all out.

Workers run beside each other (pytest-xdist). A file stays on one worker, and so do all files that share a
part that is slow to start.

A test's time limit holds for its fixtures too, and the first one on a worker starts the parts of all: real
tests have as long as that may take on a busy machine, unless they or the command line name a limit.
"""

import os
import random
from collections.abc import Generator

import pytest

_STARTED = {"parts_folder", "three_brokers", "plane", "world", "chart", "chart_plane", "exporter_port"}
# Parts that are slow to start, and the fixtures that bring them. A test belongs to the first one it asks for.
_GROUPS = {
    "engines": {"engine", "opensearch", "elasticsearch", "search_engine"},
    "databases": {"postgres", "connect_worker"},
}
_SAMPLE, _SEED = "CLICKSTREAM_SAMPLE", "CLICKSTREAM_SEED"
_REAL_S = 900.0


def pytest_configure(config: pytest.Config) -> None:
    """Name the markers, and agree on the sample before the workers start."""
    config.addinivalue_line("markers", "real: starts Kafka, PostgreSQL, a search engine, a browser or a pod")
    config.addinivalue_line("markers", "long: takes long; the gate runs a sample")
    os.environ.setdefault(_SEED, str(random.SystemRandom().randrange(2**32)))


def pytest_report_header() -> str | None:
    """Say how to draw the same sample again."""
    share = os.environ.get(_SAMPLE)
    return share and f"a sample of the long tests: {_SAMPLE}={share} {_SEED}={os.environ[_SEED]}"


@pytest.hookimpl(wrapper=True)  # before xdist looks at the groups
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None, None, None]:
    """Mark what uses real parts, give each test its group, take the sample, begin with what takes long."""
    groups: dict[pytest.Item, str] = {}
    is_asked_for = config.getoption("timeout", None) is not None
    for item in items:
        asks = set(getattr(item, "fixturenames", ()))
        if _STARTED & asks:
            item.add_marker(pytest.mark.real)
        if item.get_closest_marker("real") and not (is_asked_for or item.get_closest_marker("timeout")):
            item.add_marker(pytest.mark.timeout(_REAL_S))
        shared = next((name for name, parts in _GROUPS.items() if parts & asks), None)
        groups[item] = shared or item.nodeid.split("::")[0]
        item.add_marker(pytest.mark.xdist_group(groups[item]))
    if share := os.environ.get(_SAMPLE):
        chosen = random.Random(int(os.environ[_SEED]))  # noqa: S311  # not a secret
        left = {item for item in items if item.get_closest_marker("long") and chosen.random() >= float(share)}
        config.hook.pytest_deselected(items=[item for item in items if item in left])
        items[:] = [item for item in items if item not in left]
    if hasattr(config, "workerinput"):  # one of several workers: what begins last keeps all waiting
        real = {groups[item] for item in items if item.get_closest_marker("real")}
        items.sort(key=lambda item: (groups[item] not in _GROUPS, groups[item] not in real))
    yield
