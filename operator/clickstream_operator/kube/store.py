"""What the watches say there is: the children of every pipeline, and the Connect clusters.

Objects are kept as compact JSON without managed fields: as dictionaries 500 pipelines would take
hundreds of MiB. A write's answer is put in too, so that the next look sees it before the watch does.
"""

import json
from collections.abc import Iterable
from typing import NamedTuple

from clickstream_operator.kube.kinds import POD, Document, Kind
from clickstream_operator.manifests.names import PIPELINE_LABEL

CLUSTER_LABEL = "strimzi.io/cluster"


class Key(NamedTuple):
    """A pipeline."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class _Id(NamedTuple):
    kind: str
    namespace: str
    name: str


class Store:
    """Used by one event loop."""

    def __init__(self) -> None:
        self._objects: dict[_Id, tuple[int, Key | None, bytes]] = {}
        self._children: dict[Key, set[_Id]] = {}
        self._workers: dict[tuple[str, str], set[_Id]] = {}  # (namespace, Connect) -> its pods

    def put(self, kind: Kind, document: Document) -> Key | None:
        """Keep an object unless a newer one is known; return its pipeline if something changed."""
        meta = document["metadata"]
        where = _Id(kind.kind, meta["namespace"], meta["name"])
        version = int(meta["resourceVersion"])
        known = self._objects.get(where)
        if known and known[0] >= version:
            return None
        self._unlink(where)
        slim = {**document, "metadata": {k: v for k, v in meta.items() if k != "managedFields"}}
        owner = owner_of(document)
        self._objects[where] = (version, owner, json.dumps(slim, separators=(",", ":")).encode())
        if owner:
            self._children.setdefault(owner, set()).add(where)
        if kind.kind == POD.kind:
            cluster = meta.get("labels", {}).get(CLUSTER_LABEL, "")
            self._workers.setdefault((meta["namespace"], cluster), set()).add(where)
        return owner

    def remove(self, kind: Kind, namespace: str, name: str) -> Key | None:
        """Forget an object; return its pipeline."""
        where = _Id(kind.kind, namespace, name)
        self._unlink(where)
        gone = self._objects.pop(where, None)
        for pods in self._workers.values() if where.kind == POD.kind else ():
            pods.discard(where)
        return gone[1] if gone else None

    def replace(self, kind: Kind, namespace: str | None, documents: Iterable[Document]) -> set[Key]:
        """Make a list the truth for its kind and namespace; return the pipelines whose objects changed."""
        seen: set[_Id] = set()
        changed: set[Key | None] = set()
        for document in documents:
            meta = document["metadata"]
            seen.add(_Id(kind.kind, meta["namespace"], meta["name"]))
            changed.add(self.put(kind, document))
        for where in [w for w in self._objects if w.kind == kind.kind and namespace in (None, w.namespace)]:
            if where not in seen:
                changed.add(self.remove(kind, where.namespace, where.name))
        return {key for key in changed if key}

    def get(self, kind: str, namespace: str, name: str) -> Document | None:
        """Return an object."""
        known = self._objects.get(_Id(kind, namespace, name))
        return json.loads(known[2]) if known else None

    def children(self, key: Key) -> dict[tuple[str, str], Document]:
        """Return a pipeline's objects by (kind, name)."""
        ids = self._children.get(key, ())
        return {(where.kind, where.name): json.loads(self._objects[where][2]) for where in ids}

    def workers(self, namespace: str, connect: str) -> list[Document]:
        """Return the pods of a Connect."""
        ids = self._workers.get((namespace, connect), ())
        return [json.loads(self._objects[where][2]) for where in ids]

    def _unlink(self, where: _Id) -> None:
        known = self._objects.get(where)
        if known and known[1]:
            siblings = self._children[known[1]]
            siblings.discard(where)
            if not siblings:
                del self._children[known[1]]


def owner_of(document: Document) -> Key | None:
    """Return the pipeline an object belongs to, by its label."""
    meta = document["metadata"]
    name = meta.get("labels", {}).get(PIPELINE_LABEL)
    return Key(meta["namespace"], name) if name else None
