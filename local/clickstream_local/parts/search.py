"""The search engine: which one, and what both have in common."""

import os
from typing import Any, Protocol

from clickstream_local import tools
from clickstream_local.errors import CannotStart
from clickstream_local.web import Answer, request

ENGINES = ("opensearch", "elasticsearch")
OPENSEARCH_JAVA = 21


def choose_engine(wanted: str | None = None) -> str:
    """Return the engine's name: as wanted, as SEARCH_ENGINE says, else the newer one that can run here."""
    name = wanted or os.environ.get("SEARCH_ENGINE") or ""
    if name and name not in ENGINES:
        raise CannotStart(f"SEARCH_ENGINE is {name!r}: it can be {' or '.join(ENGINES)}")
    return name or (ENGINES[0] if tools.java_is_to_be_had(OPENSEARCH_JAVA) else ENGINES[1])


class SearchEngine(Protocol):
    """One node on this machine."""

    engine: str
    url: str

    def start(self) -> None:
        """Start the node and wait until it answers."""

    def stop(self) -> None:
        """Stop the node in order."""

    def kill(self) -> None:
        """Kill the node, as a crash would."""

    def restart(self) -> None:
        """Stop in order and start again."""

    def suspend(self) -> None:
        """Freeze the node, as a machine that hangs would."""

    def resume(self) -> None:
        """Let a frozen node go on."""

    def is_running(self) -> bool:
        """Tell whether the node's process lives."""


def call(engine: SearchEngine, method: str, path: str, body: Any = None) -> Answer:
    """Send one request to the node, with room for a slow answer."""
    return request(method, f"{engine.url}{path}", body, timeout_s=30)


def answers(url: str) -> bool:
    """Tell whether the node at `url` takes documents: its cluster state is not red."""
    health = request("GET", f"{url}/_cluster/health")
    return health.ok and health.json().get("status") in ("green", "yellow")
