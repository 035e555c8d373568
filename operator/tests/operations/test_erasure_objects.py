"""The file and the objects of an erasure. No user's id is where others may read it."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from clickstream_operator.errors import InvalidSpec
from clickstream_operator.manifests.statefulset import statefulset
from clickstream_operator.operations import job as jobs
from clickstream_operator.operations.erasure import parse_erasure
from clickstream_operator.spec.clickpipeline import ClickPipeline, parse
from operator_support.documents import changed
from operator_support.example_pipelines import PLATFORM, example
from operator_support.operation_documents import erasure_document

GOLDEN = Path(__file__).parent / "golden"
SECRET = {"name": "leavers", "key": "2026-11.txt"}


def objects(pipeline: ClickPipeline, **spec: Any) -> dict[str, dict[str, Any]]:
    erasure = parse_erasure(erasure_document(**spec))
    found = [wanted.document for wanted in jobs.objects(erasure, pipeline, PLATFORM)]
    return {document["kind"]: document for document in found}


@pytest.mark.parametrize(("name", "spec"), [("storefront", {}), ("secured", {"usersSecret": SECRET})])
def test_objects_are_the_golden_ones(name: str, spec: dict[str, Any], request: pytest.FixtureRequest) -> None:
    text = yaml.safe_dump_all(objects(example(name), **spec).values(), sort_keys=False, width=1000)
    path = GOLDEN / f"erasure-of-{name}.yaml"
    if request.config.getoption("--golden"):
        path.write_text(text)
    assert path.read_text() == text, f"{path.name} differs: look, then `pytest --golden` takes the new one"


def test_users_of_the_spec_are_in_a_secret_and_nowhere_else() -> None:
    found = objects(example("storefront"), users=["alice123", "zoë"])
    data = found.pop("Secret")["data"]
    assert json.loads(base64.b64decode(data["erasure.json"])) == {
        "version": 1,
        "name": "gone",
        "users": ["alice123", "zoë"],
    }
    assert "alice123" not in str(found)
    assert "erasure.json" not in found["ConfigMap"]["data"]
    assert sources(found["Job"]) == [
        {"configMap": {"name": "gone-erasure"}},
        {"secret": {"name": "gone-erasure"}},
    ]


def test_users_of_a_secret_are_mounted_and_no_secret_is_made() -> None:
    found = objects(example("storefront"), usersSecret=SECRET)
    assert [*found] == ["ConfigMap", "NetworkPolicy", "Job"]
    assert json.loads(found["ConfigMap"]["data"]["erasure.json"]) == {"version": 1, "name": "gone"}
    item = {"key": "2026-11.txt", "path": "users"}
    assert sources(found["Job"])[1] == {"secret": {"name": "leavers", "items": [item]}}
    (container,) = found["Job"]["spec"]["template"]["spec"]["containers"]
    paths = {each["name"]: each.get("value") for each in container["env"]}
    assert paths["CLICKSTREAM_ERASURE_USERS_FILE"] == "/etc/clickstream/erasure/users"
    assert paths["CLICKSTREAM_ERASURE_FILE"] == "/etc/clickstream/erasure/erasure.json"


def sources(job: dict[str, Any]) -> list[dict[str, Any]]:
    (files,) = [each for each in job["spec"]["template"]["spec"]["volumes"] if each["name"] == "files"]
    assert files["projected"]["defaultMode"] == 0o440
    found: list[dict[str, Any]] = files["projected"]["sources"]
    return found


def test_job_has_the_secrets_for_kafka_and_search_alone_and_reaches_both() -> None:
    pipeline = example("secured")
    found = objects(pipeline)
    pod = found["Job"]["spec"]["template"]["spec"]
    mounted = [each["secret"]["secretName"] for each in pod["volumes"] if "secret" in each]
    assert mounted == ["events-cluster-ca-cert", "secured", "search-credentials", "search-ca"]
    pods = statefulset(pipeline, PLATFORM, "")["spec"]["template"]["spec"]
    places = {each["mountPath"] for each in pods["containers"][0]["volumeMounts"]}
    assert {f"/etc/clickstream/secrets/{name}" for name in mounted} <= places
    ports = [port["port"] for rule in found["NetworkPolicy"]["spec"]["egress"] for port in rule["ports"]]
    assert ports == [53, 53, 9093, 9200]
    assert pod["automountServiceAccountToken"] is False
    assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True


def test_pipeline_without_search_needs_no_way_to_one() -> None:
    policy = objects(parse(changed({"sink": None})))["NetworkPolicy"]
    assert len(policy["spec"]["egress"]) == 2


def test_last_lines_of_a_pod_are_not_kept_where_others_read_them() -> None:
    (container,) = objects(example("storefront"))["Job"]["spec"]["template"]["spec"]["containers"]
    assert container["terminationMessagePolicy"] == "File"


def test_all_objects_go_with_the_erasure() -> None:
    for each in objects(example("storefront")).values():
        (owner,) = each["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"], owner["uid"]) == ("ClickErasure", "gone", "uid-gone")


def test_longest_name_leaves_room_for_the_job() -> None:
    assert len(jobs.object_name(parse_erasure(erasure_document("a" * 40)))) + len("-abcde") <= 63


@pytest.mark.parametrize(
    "spec", [{"users": []}, {"users": ["alice123"], "usersSecret": SECRET}, {"ttlAfterFinished": "soon"}]
)
def test_spec_that_an_older_definition_let_through_is_refused_without_a_user(spec: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpec, match="spec") as refused:
        parse_erasure(erasure_document(**spec))
    assert "alice123" not in str(refused.value)
