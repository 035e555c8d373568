"""The node's power is cut: every daemon and container is killed at once, then the node is started again."""

import os
import subprocess

import pytest
from clickstream_e2e.images import E2E
from clickstream_e2e.kube import eventually
from clickstream_e2e.platform import NAMESPACE, Platform
from clickstream_e2e.storefront import Storefront

OURS = not os.environ.get("E2E_KUBECONFIG") and os.environ.get("KIND") != "1"


@pytest.mark.long
@pytest.mark.skipif(not OURS, reason="only the cluster of e2e/cluster may be switched off")
def test_after_a_power_cut_the_pipeline_goes_on_and_nothing_is_lost(
    storefront: Storefront, platform: Platform
) -> None:
    with storefront.traffic(rate=100):
        eventually("the traffic flows", lambda: storefront.metrics("user-0004")[0]["status"] == 200)
    storefront.send("user-0004", 50)
    subprocess.run([E2E / "cluster" / "down.sh", "--crash"], check=True)
    subprocess.run([E2E / "cluster" / "up.sh"], check=True)
    platform.wait_for_kafka()
    for name in ("postgres", "search"):
        storefront.kube.rolled_out(f"statefulset/{name}", NAMESPACE)
    platform.restart_tester()
    storefront.until_pods(2, 300)
    storefront.until("Ready", "True", 600)
    storefront.send("user-0004", 50)
    storefront.check()
