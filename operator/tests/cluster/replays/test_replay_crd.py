"""The CRD of replays on a real API server: every rule both ways."""

from typing import Any

import pytest
from operator_support.cluster.controlplane import ControlPlane, Refused
from operator_support.cluster.world import PIPELINES, World
from operator_support.operation_documents import replay_document

FROM, TO = "2026-11-30T10:00:00Z", "2026-11-30T12:00:00+01:00"

TAKEN: dict[str, dict[str, Any]] = {
    "as little as may be": {},
    "everything": {
        "reasons": ["mistyped-field", "unmatched"],
        "from": FROM,
        "to": "2026-11-30T12:00:00+00:00",
        "sources": [0, 11],
        "limit": 1,
        "where": "letter.attempt < 3",
        "set": {"timestamp": "int(click.timestamp)"},
        "late": "enrich",
        "dryRun": True,
        "ttlAfterFinished": "0s",
    },
    "from alone": {"from": FROM},
    "to alone": {"to": TO},
    "a time with parts of a second": {"from": "2026-11-30T10:00:00.123Z"},
    "fifty fields": {"set": {f"f{n}": "1" for n in range(50)}},
    "the longest condition": {"where": "x" * 4096},
}
REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "no pipeline": ("pipeline", {"pipeline": None}),
    "a pipeline of another namespace": ("pipeline", {"pipeline": "shop/storefront"}),
    "a long pipeline": ("pipeline", {"pipeline": "a" * 41}),
    "to before from": ("to must be later", {"from": FROM, "to": "2026-11-30T09:59:59Z"}),
    "to at from": ("to must be later", {"from": FROM, "to": FROM}),
    "to before from in another zone": ("to must be later", {"from": FROM, "to": "2026-11-30T10:30:00+01:00"}),
    "a time that is none": ("from", {"from": "yesterday"}),
    "an unknown reason": ("reasons", {"reasons": ["bad"]}),
    "rows of the profile table": ("reasons", {"reasons": ["profile-refused"]}),
    "a reason twice": ("reasons", {"reasons": ["late", "late"]}),
    "a negative partition": ("sources", {"sources": [-1]}),
    "a partition twice": ("sources", {"sources": [1, 1]}),
    "too many partitions": ("sources", {"sources": list(range(1001))}),
    "no letter": ("limit", {"limit": 0}),
    "a long condition": ("where", {"where": "x" * 4097}),
    "an empty expression": ("set", {"set": {"timestamp": ""}}),
    "a long expression": ("set", {"set": {"timestamp": "x" * 4097}}),
    "a field with a dot": ("set", {"set": {"a.b": "1"}}),
    "a field that begins with a digit": ("set", {"set": {"1a": "1"}}),
    "a long field": ("set", {"set": {"a" * 64: "1"}}),
    "too many fields": ("set", {"set": {f"f{n}": "1" for n in range(51)}}),
    "an expression that is no text": ("set", {"set": {"timestamp": 3}}),
    "another way with late letters": ("late", {"late": "drop"}),
    "a time to stay that is none": ("ttlAfterFinished", {"ttlAfterFinished": "a week"}),
    "a time to stay in weeks": ("ttlAfterFinished", {"ttlAfterFinished": "1w"}),
    "an unknown field": ("unknown", {"unknown": 1}),
}


@pytest.fixture(scope="module")
def shop(world: World) -> str:
    return world.namespace("shop-of-replays")


def create(plane: ControlPlane, shop: str, document: dict[str, Any], *, dry: bool = True) -> Any:
    meta = {"name": document["metadata"]["name"], "namespace": shop}
    path = f"{PIPELINES}/namespaces/{shop}/clickreplays?fieldValidation=Strict{'&dryRun=All' if dry else ''}"
    return plane.request("POST", path, {**document, "metadata": meta})


@pytest.mark.parametrize("spec", TAKEN.values(), ids=TAKEN)
def test_api_server_takes_valid_replays(spec: dict[str, Any], plane: ControlPlane, shop: str) -> None:
    assert create(plane, shop, replay_document(**spec))["kind"] == "ClickReplay"


@pytest.mark.parametrize(("word", "spec"), REFUSED.values(), ids=REFUSED)
def test_api_server_refuses_invalid_replays(
    word: str, spec: dict[str, Any], plane: ControlPlane, shop: str
) -> None:
    with pytest.raises(Refused) as refused:
        create(plane, shop, replay_document(**spec))
    assert refused.value.code in (400, 422)
    assert word in refused.value.message


def test_api_server_fills_in_the_defaults(plane: ControlPlane, shop: str) -> None:
    assert create(plane, shop, replay_document())["spec"] == {
        "pipeline": "storefront",
        "reasons": [],
        "sources": [],
        "where": "",
        "set": {},
        "late": "skip",
        "dryRun": False,
        "ttlAfterFinished": "7d",
    }


@pytest.mark.parametrize("name", ["a" * 41, "1fix", "a.b"])
def test_names_that_objects_could_not_bear_are_refused(name: str, plane: ControlPlane, shop: str) -> None:
    with pytest.raises(Refused):
        create(plane, shop, replay_document(name))


def test_longest_name_is_taken(plane: ControlPlane, shop: str) -> None:
    assert create(plane, shop, replay_document("a" * 40))


@pytest.mark.parametrize(
    "patch", [{"limit": 3}, {"pipeline": "fraud"}, {"dryRun": True}, {"set": {"a": "1"}}, {"late": "enrich"}]
)
def test_spec_is_immutable(patch: dict[str, Any], plane: ControlPlane, shop: str) -> None:
    document = create(plane, shop, replay_document("stays"), dry=False)
    path = f"{PIPELINES}/namespaces/{shop}/clickreplays/stays"
    try:
        with pytest.raises(Refused, match="is immutable"):
            plane.merge(path, {"spec": patch})
        plane.merge(path, {"metadata": {"labels": {"team": "shop"}}, "spec": {"pipeline": "storefront"}})
        assert document["spec"]["pipeline"] == "storefront"
    finally:
        plane.request("DELETE", path)
