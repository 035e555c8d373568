"""Planning: only what is ours is compared, and only what differs is written."""

import copy
from typing import Any

from clickstream_operator.lifecycle.desired import APPLIED_HASH
from clickstream_operator.lifecycle.plan import differences, plan
from clickstream_operator.observed import Observed
from operator_support.example_pipelines import everything, example

STATEFULSET = next(w for w in everything(example("storefront")) if w.kind.kind == "StatefulSet").document


def live(**defaults: Any) -> dict[str, Any]:
    """Return the StatefulSet as a server would have it: with fields nobody asked for."""
    document = copy.deepcopy(STATEFULSET)
    document["metadata"] |= {"uid": "1", "resourceVersion": "7", "generation": 1}
    document["spec"]["template"]["spec"] |= {"dnsPolicy": "ClusterFirst", "restartPolicy": "Always"}
    document["spec"]["template"]["spec"]["containers"][0]["terminationMessagePath"] = "/dev/termination-log"
    document["status"] = {"replicas": 3}
    return document | defaults


def test_servers_defaults_are_no_difference() -> None:
    assert differences(STATEFULSET, live()) == []


def test_quantities_are_compared_by_amount() -> None:
    document = live()
    document["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"] = "1000m"
    assert differences(STATEFULSET, document) == []


def test_changed_field_is_named_with_both_values() -> None:
    document = live()
    document["spec"]["replicas"] = 1
    assert differences(STATEFULSET, document) == ["spec.replicas: 1 -> 3"]


def test_container_that_others_inject_is_theirs() -> None:
    document = live()
    document["spec"]["template"]["spec"]["containers"].insert(0, {"name": "sidecar", "image": "mesh"})
    assert differences(STATEFULSET, document) == []


def test_removed_item_of_a_list_is_a_difference() -> None:
    document = live()
    del document["spec"]["template"]["spec"]["containers"][0]["env"][0]
    assert any("env[CLICKSTREAM_SETTINGS]" in difference for difference in differences(STATEFULSET, document))


def test_field_that_is_no_longer_set_is_seen_by_the_digest() -> None:
    document = live()
    document["metadata"]["annotations"][APPLIED_HASH] = "of an older version"
    assert differences(STATEFULSET, document) == ["fields that are no longer set"]


def test_plan_creates_what_is_missing_in_order_and_leaves_the_rest() -> None:
    wanted = everything(example("storefront"))
    there = {(w.kind.kind, w.name): w.document for w in wanted if w.kind.kind != "StatefulSet"}
    assert [str(step) for step in plan(wanted, Observed(children=there))] == [
        "create StatefulSet storefront-processor"
    ]
    assert plan(wanted, Observed(children={(w.kind.kind, w.name): w.document for w in wanted})) == []
