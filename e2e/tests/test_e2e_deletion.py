"""Deleting a pipeline: with Retain its data stays for the next one, with Delete nothing of its own stays."""

import copy
import time

from clickstream_e2e.kube import Kube, eventually
from clickstream_e2e.platform import NAMESPACE, sql
from clickstream_e2e.release import CHART, Release
from clickstream_e2e.stages import stage
from clickstream_e2e.storefront import NAME, Storefront, document, merged

SHARED = {
    "user-clicks",
    "user-profiles",
    "enriched-clicks",
    "user-metrics",
    "user-sessions",
    "dead-letters",
}
SLOT = "SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'shop_storefront'"


def test_a_retained_pipeline_is_taken_up_again_where_it_was(storefront: Storefront) -> None:
    kube = storefront.kube
    storefront.send("user-0005", 7)
    at_ms = int(time.time() * 1_000)
    storefront.check()  # the user has clicks of other tests, too: once all are through, the count is the last
    counted = eventually("the clicks are counted", lambda: storefront.count("user-0005", at_ms))
    assert counted >= 7
    kube("delete", "clickpipeline", NAME, "--namespace", NAMESPACE, "--timeout=300s")
    eventually("the pods are gone", lambda: not storefront.pods())
    topics, claims = kube.names("kafkatopics", NAMESPACE), kube.names("pvc", NAMESPACE)
    assert SHARED | {"shop.storefront-changelog", "shop.storefront-positions"} <= topics
    assert {"data-storefront-processor-0", "data-storefront-processor-1"} <= claims
    assert sql(kube, SLOT).strip() == "1"
    kube.apply([document()])
    storefront.until("Ready", "True", 600)
    assert storefront.count("user-0005", at_ms) == counted
    storefront.check()


def test_a_deleted_pipeline_leaves_only_the_shared_topics(storefront: Storefront) -> None:
    kube = storefront.kube
    storefront.patch({"processors": {"replicas": 3}})
    storefront.until_pods(3)
    storefront.patch({"processors": {"replicas": 2}})
    storefront.until_pods(2)
    storefront.patch({"deletionPolicy": "Delete"})
    eventually("the finalizer is set", lambda: storefront.now()["metadata"].get("finalizers"), 300)
    with stage("pipeline deleted with all its data"):
        kube("delete", "clickpipeline", NAME, "--namespace", NAMESPACE, "--timeout=300s", timeout_s=310)
    topics = kube.names("kafkatopics", NAMESPACE)
    assert topics == SHARED
    eventually(
        "the claims are gone, that of the pod scaled away too",
        lambda: not [name for name in kube.names("pvc", NAMESPACE) if name.startswith("data-storefront-")],
    )
    assert sql(kube, SLOT).strip() == "0"
    assert not kube.names("kafkaconnectors", NAMESPACE)


def test_a_namespace_goes_with_the_operator_inside(
    kube: Kube, release: Release, images: dict[str, str]
) -> None:
    name = "tenant"
    values = {
        "crds.enabled": "false",
        "watchNamespaces": "{tenant}",
        "rbac.aggregate": "false",
        "operator.replicas": "1",
        **Release.image("operator", images["operator"]),
        **Release.image("processor", images["processor"]),
    }
    sets = [word for key, value in values.items() for word in ("--set", f"{key}={value}")]
    kube.helm("install", name, str(CHART), "--namespace", name, "--create-namespace", "--wait", *sets)
    pipeline = merged(copy.deepcopy(document(deletionPolicy="Delete")), {"metadata": {"namespace": name}})
    kube.apply([pipeline])
    eventually(
        "it has a finalizer", lambda: kube.get("clickpipeline", NAME, name)["metadata"].get("finalizers"), 300
    )
    kube("delete", "namespace", name, "--timeout=180s", timeout_s=190)
    assert f"namespace/{name}" not in kube("get", "namespaces", "--output=name").split()
