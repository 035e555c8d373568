"""A changed window under a definition that is older than the operator: nothing is changed, and it is said."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from clickstream_local.testing.eventually import eventually
from operator_support.cluster.world import CRD, Refused, World, path_of


@pytest.fixture
def older_definition(world: World) -> Iterator[None]:
    """Take the rules out of the window's schema, as a release before had it."""
    crd = json.loads(world.plane.kubectl("get", "crd", "clickpipelines.clickstream.dev", "-o", "json"))
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    window = schema["properties"]["processing"]["properties"]["window"]
    del window["x-kubernetes-validations"]
    for field in window["properties"].values():
        field.pop("x-kubernetes-validations", None)
    for field_name in ("managedFields", "resourceVersion", "uid"):
        crd["metadata"].pop(field_name, None)
    apply = ("apply", "--server-side", "--force-conflicts", "-f")
    world.plane.kubectl(*apply, "-", text=json.dumps(crd))
    yield
    world.plane.kubectl(*apply, str(CRD))


def test_operator_refuses_a_changed_window_where_the_definition_lets_it_pass(
    world: World, shop: str, older_definition: None
) -> None:
    world.create(shop)
    world.wait_ready(shop)
    paths = [
        f"/api/v1/namespaces/{shop}/configmaps/storefront-settings",
        f"/apis/apps/v1/namespaces/{shop}/statefulsets/storefront-processor",
    ]

    def specs() -> list[Any]:
        found = [world.plane.get(path) for path in paths]
        return [document.get("spec") or document.get("data") for document in found]

    before = specs()

    def resized(size: str) -> bool:
        """Change the window; the API server may not have taken the older definition yet."""
        try:
            world.plane.merge(path_of(shop), {"spec": {"processing": {"window": {"size": size}}}})
        except Refused:
            return False
        return True

    eventually(lambda: resized("10m"))
    eventually(lambda: world.condition(shop, "Stalled").get("reason") == "WindowChanged")
    assert "kept by size 5m" in world.condition(shop, "Stalled")["message"]
    assert specs() == before
    assert resized("5m")
    world.wait_ready(shop)
    assert specs() == before
