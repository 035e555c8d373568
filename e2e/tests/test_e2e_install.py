"""`helm install`, then `kubectl apply`: a running pipeline."""

from clickstream_e2e.kube import Kube, condition
from clickstream_e2e.platform import NAMESPACE
from clickstream_e2e.release import Release
from clickstream_e2e.storefront import PODS, Storefront


def test_the_charts_own_test_passes(release: Release) -> None:
    assert "Succeeded" in release.test()


def test_an_applied_pipeline_becomes_ready(storefront: Storefront) -> None:
    pipeline = storefront.now()
    false = {c["type"]: c for c in pipeline["status"]["conditions"] if c["status"] != "True"}
    no_clicks = false.pop("ClicksTaken", None)  # known once clicks come
    assert no_clicks is None or (no_clicks["status"], no_clicks["reason"]) == ("Unknown", "NoClicks")
    assert set(false) <= {"Reconciling", "Stalled", "Paused"}
    assert pipeline["status"]["readiness"] == "2/2"


def test_its_pods_run_under_the_restricted_pod_security_standard(storefront: Storefront, kube: Kube) -> None:
    """The namespace enforces it, so running is proof; the operator's namespace would pass as well."""
    label = kube("get", "namespace", NAMESPACE, "--output=jsonpath={.metadata.labels}")
    assert '"pod-security.kubernetes.io/enforce":"restricted"' in label
    assert all(condition(pod, "Ready")["status"] == "True" for pod in kube.items("pods", NAMESPACE, PODS))
    refusal = kube(
        "label",
        "--dry-run=server",
        "--overwrite",
        "namespace",
        "clickstream",
        "pod-security.kubernetes.io/enforce=restricted",
    )
    assert "violate" not in refusal
