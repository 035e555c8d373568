"""Pods and volumes are lost; no click is, and none is counted twice."""

from clickstream_e2e.kube import eventually
from clickstream_e2e.platform import NAMESPACE
from clickstream_e2e.storefront import Storefront

POD = "storefront-processor-0"


def test_a_killed_pod_is_followed_by_another_and_comes_back(storefront: Storefront) -> None:
    old = storefront.kube.get("pod", POD, NAMESPACE)["metadata"]["uid"]
    with storefront.traffic(rate=100) as account:
        eventually("the traffic flows", lambda: storefront.metrics("user-0001")[0]["status"] == 200)
        storefront.kube("delete", "pod", POD, "--namespace", NAMESPACE, "--force", "--grace-period=0")
        eventually(
            "the pod is a new one",
            lambda: storefront.kube.get("pod", POD, NAMESPACE)["metadata"]["uid"] != old,
        )
        storefront.until_pods(2)
        storefront.until("Ready", "True")
    storefront.check()
    # A client may meet the dead pod until its address is withdrawn; pods that live say 503 at worst.
    assert not [status for status in account["answers"] if status.startswith("5") and status != "503"], (
        account
    )


def test_a_process_that_dies_is_started_again_on_its_state(storefront: Storefront) -> None:
    before = _restarts(storefront)
    with storefront.traffic(rate=100):
        die = ["python", "-c", "import os, signal; os.kill(1, signal.SIGTERM)"]
        storefront.kube("exec", POD, "--namespace", NAMESPACE, "--", *die)
        eventually("the container was started again", lambda: _restarts(storefront) > before)
        storefront.until_pods(2)
        storefront.until("Ready", "True")
    storefront.check()


def test_a_lost_volume_is_restored_from_the_changelog(storefront: Storefront) -> None:
    claim = storefront.kube.get("pvc", f"data-{POD}", NAMESPACE)["metadata"]["uid"]
    with storefront.traffic(rate=100):
        storefront.kube("delete", "pvc", f"data-{POD}", "--namespace", NAMESPACE, "--wait=false")
        storefront.kube("delete", "pod", POD, "--namespace", NAMESPACE)
        eventually(
            "the volume is a new one",
            lambda: storefront.kube.get("pvc", f"data-{POD}", NAMESPACE)["metadata"]["uid"] != claim,
        )
        storefront.until_pods(2)
        storefront.until("Ready", "True")
    storefront.check()


def _restarts(storefront: Storefront) -> int:
    pod = storefront.kube.get("pod", POD, NAMESPACE)
    return sum(status["restartCount"] for status in pod["status"]["containerStatuses"])
