"""The settings document: all a processor is told, the same from the operator and from `local/`."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from clickstream_operator.manifests.names import labels, names_of
from clickstream_operator.spec.clickpipeline import ClickPipeline
from clickstream_operator.spec.rules import ADMIN_PORT

SETTINGS_VERSION = 1
# A processor that does not know the partitioner would go on in the wrong topic: it refuses this one.
ANY_PARTITIONER_VERSION = 2
# One that does not know sessions would leave them out without a word.
SESSIONS_VERSION = 3
# One that does not know dedup would count clicks twice.
DEDUP_VERSION = 4
# One that knows no source but a table would wait for its snapshot, or join with others' profiles.
SOURCES_VERSION = 5
FILE = "settings.json"
_SECTIONS = ("kafka", "topics", "source", "processing", "sink", "processors", "query")
# The controller acts on these; a processor learns them from the assignment. A change rolls no pod.
_LIVE = ("replicas", "standbys", "failoverAfter", "storage", "autoscale")


def settings_document(
    pipeline: ClickPipeline,
    peer_host: str | None = None,
    peer_port: int = ADMIN_PORT,
    peer_port_step: int = 0,
) -> dict[str, Any]:
    """Return the document. `peer_host` holds `{ordinal}`; pod i has port `peer_port + i * peer_port_step`."""
    spec = pipeline.spec.model_dump(by_alias=True)
    names = names_of(pipeline)
    if user := spec["kafka"]["authentication"]:
        for field in ("controllerUser", "allowClearText"):
            del user[field]  # not the pods' business: a change rolls none
    del spec["topics"]["shared"]  # nor this
    if spec["sink"] is None:
        spec["sink"] = {}
    else:
        del spec["sink"]["search"]["shared"]
    if pipeline.has_table:
        spec["source"] = {"postgres": spec["source"]["postgres"]}
    else:
        # What a connector is told is not the pods' business either; only what they wait for is.
        spec["source"] = {}
        spec["processing"]["join"] |= _join_without_table(pipeline)
    inside = f"{names.statefulset}-{{ordinal}}.{names.headless_service}.{pipeline.namespace}.svc"
    return {
        "settingsVersion": _version(pipeline),
        "name": pipeline.name,
        "namespace": pipeline.namespace,
        "id": pipeline.id,
        **{section: spec[section] for section in _SECTIONS},
        "peers": {"host": peer_host or inside, "port": peer_port, "portStep": peer_port_step},
    }


def _join_without_table(pipeline: ClickPipeline) -> dict[str, Any]:
    """Return what of the join differs where no table's snapshot says that the profiles are there."""
    if pipeline.spec.source is None:
        return {"type": "none", "waitForSnapshot": False}
    join = pipeline.spec.processing.join
    return {"waitForSnapshot": False, "atLeast": pipeline.at_least if join.wait_for_snapshot else 0}


def _version(pipeline: ClickPipeline) -> int:
    if not pipeline.has_table:
        return SOURCES_VERSION
    if pipeline.spec.processing.dedup is not None:
        return DEDUP_VERSION
    if pipeline.spec.processing.sessions is not None:
        return SESSIONS_VERSION
    return ANY_PARTITIONER_VERSION if pipeline.spec.topics.partitioner == "any" else SETTINGS_VERSION


def settings_text(document: dict[str, Any]) -> str:
    """Return the document as it is written: indented and ordered, so that a diff is readable."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def settings_hash(document: dict[str, Any]) -> str:
    """Return a digest of what a running processor cannot learn without a restart."""
    processors = {name: value for name, value in document["processors"].items() if name not in _LIVE}
    text = json.dumps({**document, "processors": processors}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def hashed_file(digest: str) -> str:
    """Return the key of the settings with this hash: what a pod of that template mounts as its file."""
    return f"settings-{digest}.json"


def config_map(pipeline: ClickPipeline, in_use: Mapping[str, str]) -> dict[str, Any]:
    """Return the ConfigMap that holds the newest settings, and those in use by hash."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": names_of(pipeline).settings,
            "namespace": pipeline.namespace,
            "labels": labels(pipeline),
        },
        "data": {FILE: settings_text(settings_document(pipeline)), **in_use},
    }
