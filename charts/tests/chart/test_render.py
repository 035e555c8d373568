"""What helm makes of the chart: valid for every supported Kubernetes, secure, and the same each time."""

import json
import subprocess
from itertools import chain
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from clickstream_operator.manifests.platform import Platform
from clickstream_operator.manifests.statefulset import statefulset
from clickstream_operator.settings import SETTINGS, read_settings
from clickstream_operator.spec.clickpipeline import parse

from charts.tests.chart.rendering import (
    DIGEST,
    FULL,
    MONITORING,
    NAMESPACED,
    NEWEST,
    OLDEST,
    PIPELINE,
    VARIANTS,
    Chart,
    Object,
    Refused,
    named,
    of_kind,
)

ROOT = Path(__file__).parents[3]
variants = pytest.mark.parametrize("variant", VARIANTS.values(), ids=list(VARIANTS))


@variants
@pytest.mark.parametrize("kubernetes", [OLDEST, NEWEST])
def test_every_object_is_valid_strictly(chart: Chart, variant: Object, kubernetes: str) -> None:
    for each in chart.objects(variant, kubernetes=kubernetes):
        group = each["apiVersion"].split("/")[0]
        if group in {"clickstream.dev", "monitoring.coreos.com", "apiextensions.k8s.io"}:
            continue  # kinds that Kubernetes itself does not have, or whose schema is recursive
        kubernetes_validate.validate(each, kubernetes.rpartition(".")[0], strict=True)


@variants
@pytest.mark.parametrize("kubernetes", [OLDEST, NEWEST])
def test_lint_has_nothing_to_say(chart: Chart, variant: Object, kubernetes: str) -> None:
    done = chart.lint(variant, kubernetes)
    assert done.returncode == 0, done.stdout


@variants
def test_rendering_twice_gives_the_same(chart: Chart, variant: Object) -> None:
    assert chart.text(variant) == chart.text(variant)


def test_an_older_kubernetes_is_refused(chart: Chart) -> None:
    with pytest.raises(Exception, match="kubeVersion"):
        chart.text(kubernetes="1.29.9")


@variants
def test_every_object_has_the_recommended_labels_and_a_namespace_of_its_own(
    chart: Chart, variant: Object
) -> None:
    for each in chart.objects(variant):
        labels = each["metadata"]["labels"]
        assert labels["app.kubernetes.io/part-of"] == "clickstream", named(each)
        assert {"app.kubernetes.io/name", "app.kubernetes.io/instance"} <= set(labels), named(each)


def test_names_fit_whatever_the_release_is_called(chart: Chart) -> None:
    for each in chart.objects(FULL, release="r" * 53):
        assert len(each["metadata"]["name"]) <= 63, named(each)
        for value in each["metadata"]["labels"].values():
            assert len(value) <= 63, named(each)


def test_selectors_do_not_change_with_version_values_or_labels(chart: Chart) -> None:
    expected = {
        "app.kubernetes.io/name": "clickstream",
        "app.kubernetes.io/instance": "clickstream",
        "app.kubernetes.io/component": "operator",
    }
    for variant in VARIANTS.values():
        (deployment,) = of_kind(chart.objects(variant), "Deployment")
        assert deployment["spec"]["selector"]["matchLabels"] == expected


def pod_specs(objects: list[Object]) -> list[Object]:
    pods = [each["spec"] for each in of_kind(objects, "Pod")]
    templated = chain(of_kind(objects, "Deployment"), of_kind(objects, "StatefulSet"))
    return pods + [each["spec"]["template"]["spec"] for each in templated]


@variants
def test_every_pod_meets_pod_security_restricted(chart: Chart, variant: Object) -> None:
    document = {
        "apiVersion": "clickstream.dev/v1alpha1",
        "kind": "ClickPipeline",
        "metadata": {"name": "storefront", "namespace": "shop"},
        "spec": PIPELINE,
    }
    made_by_operator = statefulset(parse(document), Platform("processor:1"), "hash")
    pods = pod_specs([*chart.objects(variant), made_by_operator])
    assert len(pods) >= 3
    for pod in pods:
        assert_restricted(pod)


def assert_restricted(pod: Object) -> None:
    """Check https://kubernetes.io/docs/concepts/security/pod-security-standards/ and a read-only root."""
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    allowed = {"configMap", "emptyDir", "secret", "persistentVolumeClaim", "projected", "downwardAPI"}
    for volume in pod.get("volumes", []):
        assert set(volume) - {"name"} <= allowed
    for container in chain(pod["containers"], pod.get("initContainers", [])):
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]
        assert container["resources"]["requests"]


def test_the_root_may_be_written_for_development_only(chart: Chart) -> None:
    (deployment,) = of_kind(chart.objects({"operator": {"readOnlyRootFilesystem": False}}), "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def rules(objects: list[Object]) -> list[Object]:
    roles = chain(of_kind(objects, "Role"), of_kind(objects, "ClusterRole"))
    return [rule for role in roles for rule in role["rules"]]


@variants
def test_no_right_is_a_wildcard_and_secrets_are_never_listed(chart: Chart, variant: Object) -> None:
    for rule in rules(chart.objects(variant)):
        assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
        if "secrets" in rule["resources"]:
            assert not {"list", "watch", "deletecollection"} & set(rule["verbs"])
        assert not {"escalate", "bind", "impersonate"} & set(rule["verbs"])


def grants(roles: list[Object]) -> set[tuple[str, str, str]]:
    """Return every (group, resource, verb) of the rules."""
    return {
        (group, resource, verb)
        for rule in roles
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_the_operator_has_the_rights_its_own_tests_run_with(chart: Chart) -> None:
    tested = rules(
        list(yaml.safe_load_all((ROOT / "operator/tests/operator_support/cluster/rbac.yaml").read_text()))
    )
    given = rules(chart.objects({"rbac": {"aggregate": False}}))
    assert grants(given) == grants(tested)


def test_namespaced_mode_gives_the_same_rights(chart: Chart) -> None:
    whole = grants(rules(chart.objects({"rbac": {"aggregate": False}})))
    assert whole == grants(rules(chart.objects(NAMESPACED)))


def test_namespaced_mode_has_no_right_and_no_object_outside_its_namespaces(chart: Chart) -> None:
    objects = chart.objects(NAMESPACED)
    for each in objects:
        assert each["metadata"].get("namespace") in {"ops", "shop", "web"}, named(each)
    served = {each["metadata"]["namespace"] for each in of_kind(objects, "RoleBinding")}
    assert served == {"ops", "shop", "web"}
    assert environment(objects)["CLICKSTREAM_NAMESPACES"] == "shop,web"


def test_two_releases_in_two_namespaces_share_no_object(chart: Chart) -> None:
    first = {named(each) for each in chart.objects(FULL, namespace="one")}
    second = {named(each) for each in chart.objects(FULL | {"crds": {"enabled": False}}, namespace="two")}
    assert not first & second


def environment(objects: list[Object]) -> dict[str, str]:
    (deployment,) = of_kind(objects, "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each.get("value", "from a field") for each in container["env"]}


@variants
def test_the_operator_accepts_its_environment_and_the_chart_sets_all_of_it(
    chart: Chart, variant: Object
) -> None:
    given = environment(chart.objects(variant))
    settings = read_settings(given)
    assert settings.operator_namespace == "ops"
    # right as they are inside a cluster
    fixed = {
        "HTTP_HOST",
        "HTTP_PORT",
        "POD_URL",
        "CONTROLLERS",
        "SLOT_SETTLE_SECONDS",
        "ROLLOUT_DEADLINE_SECONDS",
        "LOST_SECONDS",
    }
    assert {setting.name for setting in SETTINGS} - set(given) == {f"CLICKSTREAM_{name}" for name in fixed}


def test_images_follow_registry_tag_and_digest(chart: Chart) -> None:
    (deployment,) = of_kind(chart.objects(FULL), "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"registry.example.com/team/clickstream-operator@{DIGEST}"
    given = {"processor": {"image": {"registry": "other", "repository": "p", "tag": "7"}}}
    assert environment(chart.objects(given))["CLICKSTREAM_PROCESSOR_IMAGE"] == "other/p:7"
    assert environment(chart.objects())["CLICKSTREAM_PROCESSOR_IMAGE"] == "clickstream-processor:0.1.0"


def test_a_single_replica_has_no_disruption_budget(chart: Chart) -> None:
    assert of_kind(chart.objects(), "PodDisruptionBudget")
    assert not of_kind(chart.objects({"operator": {"replicas": 1}}), "PodDisruptionBudget")


def test_the_definitions_are_those_of_crds_and_stay_on_uninstall(chart: Chart) -> None:
    rendered = of_kind(chart.objects(), "CustomResourceDefinition")
    sources = [yaml.safe_load(file.read_text()) for file in sorted((ROOT / "crds").glob("*.yaml"))]
    assert {each["metadata"]["name"]: each["spec"] for each in rendered} == {
        source["metadata"]["name"]: source["spec"] for source in sources
    }
    assert all(each["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep" for each in rendered)
    for fleeting in of_kind(chart.objects({"crds": {"keep": False}}), "CustomResourceDefinition"):
        assert "helm.sh/resource-policy" not in fleeting["metadata"].get("annotations", {})


def test_monitors_are_left_out_where_the_cluster_does_not_know_them(chart: Chart) -> None:
    def monitoring(objects: list[Object]) -> set[str]:
        return {each["kind"] for each in objects if each["apiVersion"] == MONITORING}

    assert monitoring(chart.objects(FULL)) == {"PodMonitor", "ServiceMonitor", "PrometheusRule"}
    assert monitoring(chart.objects(FULL, monitoring=False)) == set()
    assert monitoring(chart.objects()) == set()


def test_every_alert_names_its_runbook_where_the_team_has_it(chart: Chart, tmp_path: Path) -> None:
    (rule,) = of_kind(chart.objects(FULL), "PrometheusRule")
    alerts: list[Any] = [alert for group in rule["spec"]["groups"] for alert in group["rules"]]
    for alert in alerts:
        url = f"https://wiki.example.com/runbooks/{alert['alert']}.md"
        assert alert["annotations"]["runbook_url"] == url
    sources = sorted((ROOT / "charts/clickstream/alerts").glob("*.yaml"))
    written = [g for path in sources for g in yaml.safe_load(path.read_text())["groups"]]
    assert len(alerts) == sum(len(group["rules"]) for group in written)

    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump(rule["spec"]))
    done = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_dashboards_reach_grafana_unchanged(chart: Chart) -> None:
    maps = [
        m
        for m in of_kind(chart.objects(FULL), "ConfigMap")
        if m["metadata"]["labels"].get("grafana_dashboard")
    ]
    texts = {name: json.loads(text) for each in maps for name, text in each["data"].items()}
    files = (ROOT / "charts/clickstream/dashboards").glob("*.json")
    assert texts == {f"clickstream-{path.name}": json.loads(path.read_text()) for path in files}
    assert all(each["metadata"]["annotations"] == {"grafana_folder": "Clickstream"} for each in maps)


def test_pipelines_of_the_values_reach_the_operator_and_are_valid(chart: Chart) -> None:
    objects = chart.objects(FULL)
    assert not of_kind(objects, "ClickPipeline")  # helm could not look the kind up in a first installation
    (given,) = [m for m in of_kind(objects, "ConfigMap") if m["metadata"]["name"].endswith("-pipelines")]
    pipelines = json.loads(given["data"]["pipelines.json"])
    for name, spec in pipelines.items():
        meta = {"name": name, "namespace": "ops"}
        document = {"apiVersion": "clickstream.dev/v1alpha1", "kind": "ClickPipeline", "metadata": meta}
        assert parse({**document, "spec": spec}).name == "storefront"
    (deployment,) = of_kind(objects, "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    (volume,) = [each for each in pod["volumes"] if "configMap" in each]
    assert volume["configMap"]["name"] == given["metadata"]["name"]
    (mount,) = [each for each in pod["containers"][0]["volumeMounts"] if each["name"] == volume["name"]]
    assert f"{mount['mountPath']}/pipelines.json" == environment(objects)["CLICKSTREAM_PIPELINES_FILE"]
    assert environment(chart.objects())["CLICKSTREAM_PIPELINES_FILE"] == ""


def test_changed_pipelines_start_the_operator_anew(chart: Chart) -> None:
    def pod(values: Object) -> Any:
        (deployment,) = of_kind(chart.objects(values), "Deployment")
        return deployment["spec"]["template"]["metadata"]["annotations"]

    more = {**PIPELINE, "processors": {"replicas": 5}}
    assert pod(FULL) != pod(FULL | {"pipelines": {"storefront": more}})


def test_pipelines_in_a_namespace_that_is_not_served_are_refused(chart: Chart) -> None:
    with pytest.raises(Refused, match="made in the release's namespace ops, which watchNamespaces lacks"):
        chart.text(NAMESPACED | {"pipelines": {"web": PIPELINE}})
    assert chart.text(NAMESPACED | {"watchNamespaces": ["ops"], "pipelines": {"web": PIPELINE}})


def test_denied_by_default_and_open_for_what_is_needed(chart: Chart) -> None:
    (policy,) = of_kind(chart.objects(), "NetworkPolicy")
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    ports = {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}
    assert ports == {53, 443, 6443, 9092, 9093, 9094, 5432, 8081}
    (only,) = policy["spec"]["ingress"]
    assert only["ports"] == [{"protocol": "TCP", "port": 8080}]
    assert not of_kind(chart.objects({"networkPolicy": {"enabled": False}}), "NetworkPolicy")
