"""The chart installed, upgraded and removed in a real Kubernetes control plane (no kubelet: no pod runs)."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from clickstream_local.testing.eventually import eventually
from operator_support.cluster.controlplane import ControlPlane, Refused

from charts.tests.chart.rendering import NAMESPACED, PIPELINE, Chart, Object

RELEASED = sorted((Path(__file__).parent / "released").glob("*.tgz"))
CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/clickpipelines.clickstream.dev"
OPERATION_CRDS = [CRD.replace("clickpipelines", plural) for plural in ("clickreplays", "clickerasures")]
PIPELINES = "/apis/clickstream.dev/v1alpha1/namespaces/{}/clickpipelines"


class Helm:
    """Runs helm against the control plane."""

    def __init__(self, chart: Chart, plane: ControlPlane, folder: Path) -> None:
        self._chart = chart
        self._kubeconfig = plane.kubeconfig()
        self._values = folder / "values.yaml"

    def run(self, *arguments: str, namespace: str, values: Object | None = None) -> str:
        """Return what helm prints. Raises AssertionError with its complaint."""
        self._values.write_text(yaml.safe_dump(values or {}))
        place = ["--namespace", namespace, "--kubeconfig", str(self._kubeconfig)]
        given = ["--values", str(self._values)] if arguments[0] in {"install", "upgrade"} else []
        command = [self._chart.helm, *arguments, *place, *given]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def install(
        self, release: str, namespace: str, values: Object | None = None, path: Path | None = None
    ) -> str:
        """Install the chart, or another one."""
        chart = str(path or self._chart.path)
        return self.run("install", release, chart, "--create-namespace", namespace=namespace, values=values)


@pytest.fixture
def helm(chart: Chart, chart_plane: ControlPlane, tmp_path: Path) -> Helm:
    """Give a helm that reaches the control plane."""
    return Helm(chart, chart_plane, tmp_path)


def test_install_upgrade_and_uninstall_keep_the_definition_and_the_pipelines(
    chart: Chart, chart_plane: ControlPlane, helm: Helm
) -> None:
    notes = helm.install("clickstream", "ops")
    assert "kubectl -n ops rollout status deployment/clickstream-operator" in notes
    eventually(lambda: chart_plane.items(PIPELINES.format("ops")) == [], "the definition is served")
    make_pipeline(chart_plane, "ops")
    (pipeline,) = chart_plane.items(PIPELINES.format("ops"))
    assert pipeline["spec"]["processors"]["replicas"] == 3  # the definition's defaults are in force

    helm.run("upgrade", "clickstream", str(chart.path), namespace="ops", values={"operator": {"replicas": 3}})
    deployment = chart_plane.get("/apis/apps/v1/namespaces/ops/deployments/clickstream-operator")
    assert deployment["spec"]["replicas"] == 3

    helm.run("uninstall", "clickstream", namespace="ops")
    assert chart_plane.get(CRD)
    assert all(chart_plane.get(crd) for crd in OPERATION_CRDS)
    assert chart_plane.items(PIPELINES.format("ops")) == [pipeline]
    left = chart_plane.kubectl(
        *("get", "deploy,svc,sa,role,rolebinding,networkpolicy,pdb", "-n", "ops", "-o", "name"),
        *("-l", "app.kubernetes.io/part-of=clickstream"),
    )
    assert left == ""
    assert "clickstream" not in chart_plane.kubectl("get", "clusterrole,clusterrolebinding", "-o", "name")


def make_pipeline(plane: ControlPlane, namespace: str) -> None:
    document = {"apiVersion": "clickstream.dev/v1alpha1", "kind": "ClickPipeline", "spec": PIPELINE}
    meta = {"name": "web", "namespace": namespace}
    plane.request("POST", PIPELINES.format(namespace), {**document, "metadata": meta})


@pytest.fixture
def fresh(chart_plane: ControlPlane) -> None:
    """Let the cluster know no definition, as before the first installation."""
    names = [crd.rpartition("/")[2] for crd in (CRD, *OPERATION_CRDS)]
    chart_plane.kubectl("delete", "crd", "--ignore-not-found", *names)


@pytest.mark.usefixtures("fresh")
def test_one_install_on_a_fresh_cluster_brings_pipelines_along(chart_plane: ControlPlane, helm: Helm) -> None:
    """What the operator makes of them: operator/tests/cluster/operator/test_given.py."""
    helm.install("whole", "whole", {"pipelines": {"web": PIPELINE}})
    given = chart_plane.get("/api/v1/namespaces/whole/configmaps/whole-clickstream-pipelines")
    assert json.loads(given["data"]["pipelines.json"]) == {"web": PIPELINE}
    account = "--as=system:serviceaccount:whole:whole-clickstream-operator"
    allowed = ("auth", "can-i", "create", "clickpipelines.clickstream.dev", account)
    assert chart_plane.kubectl(*allowed, "-n", "whole").strip() == "yes"
    with pytest.raises(Refused):
        chart_plane.kubectl(*allowed, "-n", "default")
    helm.run("uninstall", "whole", namespace="whole")


def keeps(before: Object, after: Object) -> bool:
    """Tell whether all that was there is as it was; a new definition adds defaults of new fields."""
    return all(
        keeps(value, after.get(name, {})) if isinstance(value, dict) else after.get(name) == value
        for name, value in before.items()
    )


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("release", RELEASED, ids=lambda path: path.stem)
def test_an_upgrade_from_a_released_chart_replaces_nothing(
    chart: Chart, chart_plane: ControlPlane, helm: Helm, release: Path
) -> None:
    values: Object = {"pipelines": {"web": PIPELINE}, "operator": {"logLevel": "DEBUG"}}
    helm.install("old", "upgraded", values, release)
    make_pipeline(chart_plane, "upgraded")
    kept = (
        CRD,
        f"{PIPELINES.format('upgraded')}/web",
        "/apis/apps/v1/namespaces/upgraded/deployments/old-clickstream-operator",
        "/api/v1/namespaces/upgraded/services/old-clickstream-operator",
    )
    before = {path: chart_plane.get(path) for path in kept}
    assert all(before.values()), before

    helm.run("upgrade", "old", str(chart.path), namespace="upgraded", values=values)
    for path in kept:
        after = chart_plane.get(path)
        assert after["metadata"]["uid"] == before[path]["metadata"]["uid"]
    labels = chart_plane.get(kept[2])["metadata"]["labels"]
    version = yaml.safe_load((chart.path / "Chart.yaml").read_text())["version"]
    assert labels["helm.sh/chart"] == f"clickstream-{version}"
    assert keeps(before[kept[1]]["spec"], chart_plane.get(kept[1])["spec"])
    helm.run("uninstall", "old", namespace="upgraded")


def test_a_second_release_with_namespaced_rights_lives_beside_the_first(
    chart_plane: ControlPlane, helm: Helm
) -> None:
    for namespace in ("shop", "web"):
        chart_plane.kubectl("create", "namespace", namespace)
    if not chart_plane.get(CRD):
        chart_plane.kubectl("apply", "--server-side", "-f", str(Path(__file__).parents[3] / "crds"))
    helm.install("first", "one", {"crds": {"enabled": False}})
    helm.install("second", "two", NAMESPACED)

    def may(account: str, *what: str) -> bool:
        try:
            answer = chart_plane.kubectl("auth", "can-i", *what, f"--as=system:serviceaccount:{account}")
        except Refused:
            return False
        return answer.strip() == "yes"

    first, second = "one:first-clickstream-operator", "two:second-clickstream-operator"
    assert may(first, "create", "statefulsets.apps", "-n", "web")
    assert may(second, "create", "statefulsets.apps", "-n", "web")
    assert may(first, "create", "statefulsets.apps", "-n", "elsewhere")
    assert not may(second, "create", "statefulsets.apps", "-n", "elsewhere")
    assert not may(second, "get", "leases.coordination.k8s.io/second-clickstream-operator", "-n", "web")
    assert may(second, "get", "leases.coordination.k8s.io/second-clickstream-operator", "-n", "two")
    for account in (first, second):
        assert not may(account, "list", "secrets", "-n", "shop")
        assert not may(account, "update", "clusterroles.rbac.authorization.k8s.io")
    helm.run("uninstall", "second", namespace="two")
    helm.run("uninstall", "first", namespace="one")
