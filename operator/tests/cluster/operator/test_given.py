"""Pipelines that an installation brings along: made on a real API server, and left to people afterwards."""

import json
from pathlib import Path
from typing import Any

from clickstream_local.testing.eventually import eventually
from operator_support.cluster.world import PIPELINES, OperatorProcess, World, path_of
from operator_support.documents import reference

NAMESPACE = "clickstream"  # the operator's own


def given_hash(world: World, name: str) -> str:
    pipeline = world.pipeline(NAMESPACE, name)
    return str(pipeline["metadata"]["annotations"]["clickstream.dev/given-hash"])


def test_given_pipelines_are_written_when_new_or_changed_and_never_else(world: World, tmp_path: Path) -> None:
    file = tmp_path / "pipelines.json"
    spec: dict[str, Any] = reference()["spec"]
    world.plane.kubectl(
        *("create", "role", "given", "-n", NAMESPACE),
        *("--verb=create,get,patch", "--resource=clickpipelines.clickstream.dev"),
    )
    world.plane.kubectl("create", "rolebinding", "given", "-n", NAMESPACE, "--role=given", "--user=operator")

    def start(**pipelines: Any) -> OperatorProcess:
        file.write_text(json.dumps(pipelines))
        return world.operator(CLICKSTREAM_PIPELINES_FILE=str(file))

    # A refused one does not keep the others from being made.
    operator = start(refused={**spec, "connect": {}}, web=spec)
    eventually(lambda: world.pipeline(NAMESPACE, "web"))
    eventually(lambda: "clickstream/refused of the installation is not made: 422" in operator.log.read_text())
    made, first = world.pipeline(NAMESPACE, "web"), given_hash(world, "web")

    # What people change stays, over a restart with the same text.
    world.plane.merge(path_of(NAMESPACE, "web"), {"spec": {"processors": {"replicas": 5}}})
    assert operator.terminate() == 0
    operator = start(web=spec, later=spec)
    eventually(lambda: world.pipeline(NAMESPACE, "later"))
    assert world.pipeline(NAMESPACE, "web")["spec"]["processors"]["replicas"] == 5

    # A changed text is written; what is no more given stays.
    assert operator.terminate() == 0
    operator = start(web={**spec, "processors": {"replicas": 2}})
    eventually(lambda: given_hash(world, "web") != first)
    changed = world.pipeline(NAMESPACE, "web")
    assert changed["spec"]["processors"]["replicas"] == 2
    assert changed["metadata"]["uid"] == made["metadata"]["uid"]
    assert world.pipeline(NAMESPACE, "later")
    assert operator.terminate() == 0
    for name in ("web", "later"):
        world.plane.request("DELETE", f"{PIPELINES}/namespaces/{NAMESPACE}/clickpipelines/{name}")
