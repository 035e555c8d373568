"""Which pods are lost: only those whose volume no node reaches, and those whose node is silent for long."""

from typing import Any

import pytest
from clickstream_operator.lifecycle.rollouts.lost_pods import lost_pods

NOW_S = 1_790_000_000.0
LONG_AGO, JUST_NOW = "2026-09-21T13:00:00Z", "2026-09-21T14:13:00Z"  # NOW_S is 14:13:20
AFFINITY = "didn't match PersistentVolume's node affinity"


def waiting(message: str, since: str = LONG_AGO) -> dict[str, Any]:
    condition = {"type": "PodScheduled", "status": "False", "message": message, "lastTransitionTime": since}
    meta = {"name": "storefront-processor-1", "creationTimestamp": LONG_AGO}
    return {"metadata": meta, "spec": {}, "status": {"conditions": [condition]}}


@pytest.mark.parametrize(
    ("message", "lost"),
    [
        (f"0/3 nodes are available: 3 node(s) {AFFINITY}. preemption: 0/3 nodes are available", True),
        ("0/1 nodes are available: 1 node(s) had volume node affinity conflict.", True),
        (f"0/3 nodes are available: 1 node(s) were unschedulable, 2 node(s) {AFFINITY}.", False),
        (f"0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 node(s) {AFFINITY}.", False),
        ("0/3 nodes are available: 3 Insufficient memory.", False),
        ("", False),
    ],
    ids=["every node", "in older words", "its node is cordoned", "its node is silent", "no room", "no word"],
)
def test_volume_is_lost_only_when_every_node_fails_for_its_place(message: str, lost: bool) -> None:
    assert bool(lost_pods({1: waiting(message)}, NOW_S, 300)) is lost


def test_deadline_is_kept() -> None:
    message = f"0/1 nodes are available: 1 node(s) {AFFINITY}."
    assert lost_pods({1: waiting(message, JUST_NOW)}, NOW_S, 300) == []


def test_pod_that_does_not_end_has_a_silent_node() -> None:
    pod = waiting("")
    pod["metadata"]["deletionTimestamp"], pod["spec"]["nodeName"] = LONG_AGO, "node-7"
    (lost,) = lost_pods({1: pod}, NOW_S, 300)
    assert (lost.node, lost.claim) == ("node-7", "data-storefront-processor-1")
