"""The CRD of erasures on a real API server: every rule both ways."""

from typing import Any

import pytest
import yaml
from operator_support import REPOSITORY
from operator_support.cluster.controlplane import ControlPlane, Refused
from operator_support.cluster.world import PIPELINES, World
from operator_support.operation_documents import erasure_document

SECRET = {"name": "leavers", "key": "2026-11.txt"}

TAKEN: dict[str, dict[str, Any]] = {
    "one user": {},
    "a thousand users of the longest ids": {"users": [f"{n:04}{'u' * 252}" for n in range(1000)]},
    "ids of any letters": {"users": ["zoë 🙂", "a\nb", "123", "x" * 256]},
    "a user twice": {"users": ["alice", "alice"]},
    "a Secret": {"usersSecret": SECRET},
    "a Secret of the longest names": {"usersSecret": {"name": "n" * 253, "key": "K." + "k" * 251}},
    "a time to stay": {"ttlAfterFinished": "0s"},
}
REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "no pipeline": ("pipeline", {"pipeline": None}),
    "a pipeline of another namespace": ("pipeline", {"pipeline": "shop/storefront"}),
    "a long pipeline": ("pipeline", {"pipeline": "a" * 41}),
    "nobody": ("either users or usersSecret", {"users": None}),
    "an empty list": ("users", {"users": []}),
    "users and a Secret": ("either users or usersSecret", {"users": ["alice"], "usersSecret": SECRET}),
    "too many users": ("users", {"users": [str(n) for n in range(1001)]}),
    "an empty id": ("users", {"users": [""]}),
    "a long id": ("users", {"users": ["u" * 257]}),
    "an id that is a number": ("users", {"users": [4711]}),
    "a Secret without a key": ("key", {"usersSecret": {"name": "leavers"}}),
    "a Secret without a name": ("name", {"usersSecret": {"key": "users"}}),
    "a Secret of another namespace": (
        "name of a Secret",
        {"usersSecret": {**SECRET, "name": "shop/leavers"}},
    ),
    "a key that is a path": ("key of a Secret", {"usersSecret": {**SECRET, "key": "../users"}}),
    "a long key": ("key", {"usersSecret": {**SECRET, "key": "k" * 254}}),
    "a time to stay that is none": ("ttlAfterFinished", {"ttlAfterFinished": "a week"}),
    "a field that there is not": ("block", {"block": True}),
}


@pytest.fixture(scope="module")
def shop(world: World) -> str:
    return world.namespace("shop-of-erasures")


def create(plane: ControlPlane, shop: str, document: dict[str, Any], *, dry: bool = True) -> Any:
    meta = {"name": document["metadata"]["name"], "namespace": shop}
    path = f"{PIPELINES}/namespaces/{shop}/clickerasures?fieldValidation=Strict{'&dryRun=All' if dry else ''}"
    return plane.request("POST", path, {**document, "metadata": meta})


@pytest.mark.parametrize("spec", TAKEN.values(), ids=TAKEN)
def test_api_server_takes_valid_erasures(spec: dict[str, Any], plane: ControlPlane, shop: str) -> None:
    assert create(plane, shop, erasure_document(**spec))["kind"] == "ClickErasure"


@pytest.mark.parametrize(("word", "spec"), REFUSED.values(), ids=REFUSED)
def test_api_server_refuses_invalid_erasures(
    word: str, spec: dict[str, Any], plane: ControlPlane, shop: str
) -> None:
    with pytest.raises(Refused) as refused:
        create(plane, shop, erasure_document(**spec))
    assert refused.value.code in (400, 422)
    assert word in refused.value.message


def test_api_server_takes_the_example(plane: ControlPlane, shop: str) -> None:
    example = yaml.safe_load((REPOSITORY / "examples/erasure.yaml").read_text())
    made = create(plane, shop, example)
    assert made["spec"] == {**example["spec"], "dryRun": False, "ttlAfterFinished": "7d"}


@pytest.mark.parametrize("name", ["a" * 41, "1gone", "a.b"])
def test_names_of_erasures_that_objects_could_not_bear_are_refused(
    name: str, plane: ControlPlane, shop: str
) -> None:
    with pytest.raises(Refused):
        create(plane, shop, erasure_document(name))


def test_longest_name_of_an_erasure_is_taken(plane: ControlPlane, shop: str) -> None:
    assert create(plane, shop, erasure_document("a" * 40))


@pytest.mark.parametrize(
    "patch",
    [
        {"users": ["bob"]},
        {"users": None, "usersSecret": SECRET},
        {"pipeline": "fraud"},
        {"ttlAfterFinished": "1d"},
        {"dryRun": True},
    ],
)
def test_spec_of_an_erasure_is_immutable(patch: dict[str, Any], plane: ControlPlane, shop: str) -> None:
    document = create(plane, shop, erasure_document("stays"), dry=False)
    path = f"{PIPELINES}/namespaces/{shop}/clickerasures/stays"
    try:
        with pytest.raises(Refused, match="is immutable"):
            plane.merge(path, {"spec": patch})
        plane.merge(path, {"metadata": {"labels": {"team": "shop"}}, "spec": {"pipeline": "storefront"}})
        assert document["spec"]["pipeline"] == "storefront"
    finally:
        plane.request("DELETE", path)
