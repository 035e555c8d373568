"""An upgrade from any released chart: nothing immutable changes, nothing is lost, old values mean the same.

`released/` has each released chart as it was, with values as people may have given them. Releasing one adds
to it: `helm package charts/clickstream -d charts/tests/chart/released`, and its values beside it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from charts.tests.chart.rendering import Chart, Object, named, of_kind

HERE = Path(__file__).parent
PRESENT = HERE.parents[1] / "clickstream"
RELEASED = sorted((HERE / "released").glob("*.tgz"))
CASES = [
    pytest.param(release, values, id=f"{release.stem} {name}")
    for release in RELEASED
    for name, values in yaml.safe_load(release.with_suffix(".values.yaml").read_text()).items()
]
each_release = pytest.mark.parametrize("release", RELEASED, ids=lambda path: path.stem)


def by_name(objects: list[Object]) -> dict[str, Object]:
    return {named(each): each for each in objects}


def both(chart: Chart, release: Path, values: Object) -> tuple[dict[str, Object], dict[str, Object]]:
    """Return what the release made of the values, and what the present chart makes of them."""
    old = Chart(chart.helm, release).objects(values)
    return by_name(old), by_name(chart.objects(values))


def test_the_present_version_is_newer_than_each_released_one() -> None:
    def version(text: str) -> list[int]:
        return [int(part) for part in text.split(".")]

    present = version(yaml.safe_load((PRESENT / "Chart.yaml").read_text())["version"])
    assert RELEASED
    for release in RELEASED:
        assert present > version(release.stem.removeprefix("clickstream-")), (
            "a released chart does not change"
        )


@pytest.mark.parametrize(("release", "values"), CASES)
def test_no_object_is_renamed_or_left_out(chart: Chart, release: Path, values: Object) -> None:
    old, new = both(chart, release, values)
    assert set(old) <= set(new)


@pytest.mark.parametrize(("release", "values"), CASES)
def test_what_kubernetes_lets_nobody_change_stays(chart: Chart, release: Path, values: Object) -> None:
    old, new = both(chart, release, values)
    compared = 0
    for name, before in old.items():
        after = new[name]
        assert after["apiVersion"] == before["apiVersion"], name
        if before["kind"] == "Deployment":
            assert after["spec"]["selector"] == before["spec"]["selector"]
            assert after["spec"]["selector"]["matchLabels"].items() <= pod_labels(after).items()
            compared += 1
        if before["kind"].endswith("RoleBinding"):
            assert after["roleRef"] == before["roleRef"], name
            compared += 1
        if before["kind"] == "Service":
            assert after["spec"]["selector"].items() <= pod_labels(new[deployment(new)]).items()
            assert after["spec"].get("clusterIP") == before["spec"].get("clusterIP")
            compared += 1
    assert compared >= 3


def deployment(objects: dict[str, Object]) -> str:
    return next(name for name, each in objects.items() if each["kind"] == "Deployment")


def pod_labels(deployed: Object) -> dict[str, str]:
    labels: dict[str, str] = deployed["spec"]["template"]["metadata"]["labels"]
    return labels


@pytest.mark.parametrize(("release", "values"), CASES)
def test_values_of_the_release_mean_the_same(chart: Chart, release: Path, values: Object) -> None:
    old, new = both(chart, release, values)
    before, after = (objects[deployment(objects)]["spec"]["template"]["spec"] for objects in (old, new))
    for field in ("nodeSelector", "tolerations", "affinity", "priorityClassName", "serviceAccountName"):
        assert after.get(field) == before.get(field), field
    ours, theirs = (pod["containers"][0] for pod in (after, before))
    environment = {each["name"]: each for each in ours["env"]}
    for each in theirs["env"]:
        assert environment[each["name"]] == each
    assert ours["resources"] == theirs["resources"]
    assert ours["image"] == theirs["image"]


@each_release
def test_all_values_of_the_release_with_their_defaults_are_accepted(chart: Chart, release: Path) -> None:
    done = Chart(chart.helm, release).run("show", "values", str(release))
    assert chart.text(yaml.safe_load(done))


@each_release
def test_the_definition_stays_and_takes_every_pipeline_that_it_took(chart: Chart, release: Path) -> None:
    (old,) = of_kind(Chart(chart.helm, release).objects({}), "CustomResourceDefinition")
    present = {
        each["metadata"]["name"]: each for each in of_kind(chart.objects({}), "CustomResourceDefinition")
    }
    new = present[old["metadata"]["name"]]
    for each in (old, new):
        assert each["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert new["spec"]["names"] == old["spec"]["names"]
    assert new["spec"]["scope"] == old["spec"]["scope"]
    versions = {each["name"]: each for each in new["spec"]["versions"]}
    for version in old["spec"]["versions"]:
        assert versions[version["name"]]["served"]
        before, after = (each["schema"]["openAPIV3Schema"] for each in (version, versions[version["name"]]))
        lost = list(narrowed(before, after, ""))
        assert not lost


def narrowed(before: dict[str, Any], after: dict[str, Any], path: str) -> Iterator[str]:
    """Yield what the schema after refuses and the one before took."""
    if before.get("type") != after.get("type"):
        yield f"{path}: type"
    if not set(after.get("required", [])) <= set(before.get("required", [])):
        yield f"{path}: required"
    if "enum" in after and not set(before.get("enum", [])) <= set(after["enum"]):
        yield f"{path}: enum"
    for name, schema in before.get("properties", {}).items():
        if name in after.get("properties", {}):
            yield from narrowed(schema, after["properties"][name], f"{path}.{name}")
        else:
            yield f"{path}.{name}: gone"
    if isinstance(before.get("items"), dict):
        yield from narrowed(before["items"], after["items"], f"{path}[]")
