"""The CRD on a real API server gives the verdict that operator and pods give, wherever it can know."""

import copy

import pytest
from clickstream_operator.spec.clickpipeline import parse
from operator_support.cluster.controlplane import ControlPlane, Refused
from operator_support.cluster.world import PIPELINES, World
from operator_support.documents import changed
from operator_support.verdicts import Case, cases

CASES = cases()


@pytest.fixture(scope="module")
def place(world: World) -> str:
    return world.namespace("verdicts")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_api_server_gives_the_verdict(case: Case, plane: ControlPlane, place: str) -> None:
    path = f"{PIPELINES}/namespaces/{place}/clickpipelines?fieldValidation=Strict&dryRun=All"
    document = changed(case.spec)
    document["metadata"]["namespace"] = place
    if case.refused is None or not case.crd_knows:
        answered = plane.request("POST", path, copy.deepcopy(document))
        if case.refused is None:
            assert parse(answered).spec == parse(document).spec
        return
    with pytest.raises(Refused) as refused:
        plane.request("POST", path, document)
    assert refused.value.code == 422
    assert case.refused in refused.value.message
