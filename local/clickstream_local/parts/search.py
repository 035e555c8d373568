"""The search engine: which one, and what both have in common."""

import os
from typing import Any

from clickstream_local.errors import CannotStart
from clickstream_local.machine import tools
from clickstream_local.machine.web import Answer, request
from clickstream_local.parts.part import Part

ENGINES = ("opensearch", "elasticsearch")
OPENSEARCH_JAVA = 21


def choose_engine(wanted: str | None = None) -> str:
    """Return the engine's name: as wanted, as SEARCH_ENGINE says, else the newer one that can run here."""
    name = wanted or os.environ.get("SEARCH_ENGINE") or ""
    if name and name not in ENGINES:
        raise CannotStart(f"SEARCH_ENGINE is {name!r}: it can be {' or '.join(ENGINES)}")
    return name or (ENGINES[0] if tools.java_is_to_be_had(OPENSEARCH_JAVA) else ENGINES[1])


class SearchEngine(Part):
    """One node on this machine."""

    engine: str
    url: str

    def _is_ready(self) -> bool:
        """Tell whether the node takes documents: its cluster state is not red."""
        health = request("GET", f"{self.url}/_cluster/health")
        return health.ok and health.json().get("status") in ("green", "yellow")


def call(engine: SearchEngine, method: str, path: str, body: Any = None) -> Answer:
    """Send one request to the node, with room for a slow answer."""
    return request(method, f"{engine.url}{path}", body, timeout_s=30)
