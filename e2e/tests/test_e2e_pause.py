"""A paused pipeline runs on, and nothing of it is changed."""

from clickstream_e2e.kube import eventually
from clickstream_e2e.platform import NAMESPACE
from clickstream_e2e.storefront import Storefront


def test_a_paused_pipeline_is_not_changed_and_runs_on(storefront: Storefront) -> None:
    storefront.annotate("clickstream.dev/paused=true")
    storefront.until("Paused", "True")
    try:
        storefront.kube("delete", "service", "storefront-query", "--namespace", NAMESPACE)
        storefront.until("Paused", "True")
        storefront.send("user-0001", 1)
        assert storefront.kube.is_gone("service", "storefront-query", NAMESPACE)
        pod = storefront.pods()[0]["status"]["podIP"]
        assert storefront.metrics("user-0001", url=f"http://{pod}:8080")[0]["status"] == 200
    finally:
        storefront.annotate("clickstream.dev/paused-")
    eventually(
        "the Service is back",
        lambda: not storefront.kube.is_gone("service", "storefront-query", NAMESPACE),
    )
    storefront.until("Ready", "True")


def test_what_was_changed_by_hand_is_put_back(storefront: Storefront) -> None:
    before = _grace(storefront)
    change = f'{{"spec":{{"template":{{"spec":{{"terminationGracePeriodSeconds":{before + 1}}}}}}}}}'
    storefront.kube(
        "patch",
        "statefulset",
        "storefront-processor",
        "--namespace",
        NAMESPACE,
        "--type=merge",
        "--patch",
        change,
    )
    eventually("the grace period is put back", lambda: _grace(storefront) == before, 300)
    storefront.until("Ready", "True")


def _grace(storefront: Storefront) -> int:
    pods = storefront.kube.get("statefulset", "storefront-processor", NAMESPACE)
    return int(pods["spec"]["template"]["spec"]["terminationGracePeriodSeconds"])
