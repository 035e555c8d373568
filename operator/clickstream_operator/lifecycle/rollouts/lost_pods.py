"""Pods whose node is gone: said after a deadline, and fixed where the pipeline asks for that. Pure.

A volume that lies on a node's own disk goes with the node, and its pod can run nowhere else. The
scheduler says so: every node there is fails for the volume's place. A node that is cordoned, tainted or
full fails for other reasons, so a volume is not taken for lost while its node may come back.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from clickstream_operator.kube.kinds import Document
from clickstream_operator.kube.times import epoch_s

LOST_S = 300.0
_ALL_NODES = re.compile(r"0/(\d+) nodes are available")
# In the words of Kubernetes up to 1.32 and of later ones.
_WRONG_NODES = re.compile(
    r"(\d+) node\(s\) (?:had volume node affinity conflict|didn't match PersistentVolume's node affinity)"
)


@dataclass(frozen=True, slots=True)
class Lost:
    """A pod that does not come back by itself."""

    ordinal: int
    pod: Document
    node: str = ""  # the silent node, on which the pod may still run; empty: the volume is lost

    @property
    def name(self) -> str:
        return str(self.pod["metadata"]["name"])

    @property
    def claim(self) -> str:
        """Return the name of its volume's claim."""
        return f"data-{self.name}"


def lost_pods(pods: Mapping[int, Document], now_s: float, deadline_s: float) -> list[Lost]:
    """Return the pods that have been lost for as long as the deadline."""
    return list(_lost(pods, now_s, deadline_s))


def _lost(pods: Mapping[int, Document], now_s: float, deadline_s: float) -> Iterator[Lost]:
    for ordinal, pod in sorted(pods.items()):
        if leaving := pod["metadata"].get("deletionTimestamp"):  # when it should have gone, grace included
            if now_s - epoch_s(leaving) > deadline_s:
                yield Lost(ordinal, pod, str(pod["spec"].get("nodeName") or "unknown"))
            continue
        scheduled: Document = next(
            (c for c in pod.get("status", {}).get("conditions", []) if c["type"] == "PodScheduled"), {}
        )
        since_s = epoch_s(scheduled.get("lastTransitionTime") or pod["metadata"]["creationTimestamp"])
        waits = scheduled.get("status") == "False" and now_s - since_s > deadline_s
        if waits and _fails_for_its_volume(str(scheduled.get("message", ""))):
            yield Lost(ordinal, pod)


def _fails_for_its_volume(message: str) -> bool:
    nodes, wrong = _ALL_NODES.search(message), _WRONG_NODES.search(message)
    return bool(nodes and wrong and int(nodes[1]) > 0 and int(nodes[1]) == int(wrong[1]))
