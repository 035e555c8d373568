"""`helm uninstall` takes the operator away and nothing else."""

from clickstream_e2e.kube import Kube, eventually
from clickstream_e2e.release import NAMESPACE, Release
from clickstream_e2e.storefront import Storefront, document


def test_pipelines_run_on_without_the_operator_and_are_taken_up_by_the_next(
    kube: Kube, release: Release, applied: Storefront
) -> None:
    kube.apply([document()])  # the deletion's test may have taken it away
    applied.until("Ready", "True", 600)
    release.uninstall()
    eventually("the operator's pods are gone", lambda: not kube.names("pods", NAMESPACE))
    assert applied.now()["spec"]["topics"]["partitions"]
    applied.until_pods(2)
    applied.send("user-0006", 3)
    eventually("queries are answered", lambda: applied.metrics("user-0006")[0]["status"] == 200)
    release.install()
    applied.until("Ready", "True", 600)
