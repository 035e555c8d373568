"""The file and the objects of a replay, and what its document means."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from clickstream_operator.errors import InvalidSpec
from clickstream_operator.manifests.settings import settings_document
from clickstream_operator.operations import job as jobs
from clickstream_operator.operations.replay import parse_replay
from clickstream_operator.operations.status import gains, remaining_s
from clickstream_operator.spec.clickpipeline import ClickPipeline, parse
from operator_support import REPOSITORY
from operator_support.documents import changed
from operator_support.example_pipelines import PLATFORM, example
from operator_support.operation_documents import replay_document

GOLDEN = Path(__file__).parent / "golden"
FULL: dict[str, Any] = {
    "reasons": ["mistyped-field", "unmatched"],
    "from": "2026-11-30T10:00:00Z",
    "to": "2026-11-30T12:30:00+01:00",
    "sources": [0, 3],
    "limit": 1000,
    "where": 'letter.detail.contains("timestamp")',
    "set": {"timestamp": "int(click.timestamp)"},
    "late": "enrich",
    "dryRun": True,
    "ttlAfterFinished": "12h",
}


def objects(pipeline: ClickPipeline, **spec: Any) -> list[dict[str, Any]]:
    replay = parse_replay(replay_document(**spec))
    return [wanted.document for wanted in jobs.objects(replay, pipeline, PLATFORM)]


@pytest.mark.parametrize(("name", "spec"), [("storefront", {}), ("secured", FULL)])
def test_objects_are_the_golden_ones(name: str, spec: dict[str, Any], request: pytest.FixtureRequest) -> None:
    text = yaml.safe_dump_all(objects(example(name), **spec), sort_keys=False, width=1000)
    path = GOLDEN / f"replay-of-{name}.yaml"
    if request.config.getoption("--golden"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert path.read_text() == text, f"{path.name} differs: look, then `pytest --golden` takes the new one"


def test_file_has_the_whole_spec() -> None:
    assert parse_replay(replay_document(**FULL)).file() == {
        "version": 1,
        "name": "fix",
        "uid": "uid-fix",
        "reasons": ["mistyped-field", "unmatched"],
        "from_ms": 1_796_032_800_000,
        "to_ms": 1_796_038_200_000,
        "sources": [0, 3],
        "limit": 1000,
        "where": 'letter.detail.contains("timestamp")',
        "set": {"timestamp": "int(click.timestamp)"},
        "late": "enrich",
        "dry_run": True,
    }


def test_file_of_a_spec_without_a_wish_takes_all() -> None:
    file = parse_replay(replay_document()).file()
    assert {name: file[name] for name in ("reasons", "sources", "where", "set", "late", "dry_run")} == {
        "reasons": [],
        "sources": [],
        "where": "",
        "set": {},
        "late": "skip",
        "dry_run": False,
    }
    assert (file["from_ms"], file["to_ms"], file["limit"]) == (None, None, None)


@pytest.mark.parametrize(
    "spec", [{"from": "yesterday"}, {"to": "2026-13-01T00:00:00Z"}, {"ttlAfterFinished": "soon"}]
)
def test_times_that_are_none_are_named(spec: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpec, match=rf"spec\.{next(iter(spec))}"):
        parse_replay(replay_document(**spec))


def test_job_has_the_pods_settings_and_the_replay() -> None:
    pipeline = example("secured")
    config, _, job = objects(pipeline)
    assert json.loads(config["data"]["settings.json"]) == json.loads(json.dumps(settings_document(pipeline)))
    assert json.loads(config["data"]["replay.json"])["name"] == "fix"
    container = job["spec"]["template"]["spec"]["containers"][0]
    paths = {each["name"]: each["value"] for each in container["env"]}
    assert paths["CLICKSTREAM_SETTINGS"] == "/etc/clickstream/replay/settings.json"
    assert paths["CLICKSTREAM_REPLAY_FILE"] == "/etc/clickstream/replay/replay.json"


def test_job_is_restricted_and_has_kafkas_secrets_alone() -> None:
    _, policy, job = objects(example("secured"))
    pod = job["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    context = pod["containers"][0]["securityContext"]
    assert context["readOnlyRootFilesystem"] is True
    assert context["capabilities"] == {"drop": ["ALL"]}
    mounted = [each["secret"]["secretName"] for each in pod["volumes"] if "secret" in each]
    assert mounted == ["events-cluster-ca-cert", "secured"]
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()


def test_job_reaches_the_endpoint_that_gives_tokens() -> None:
    tokens = {"tokenEndpoint": "https://sso.example.com:8443/token", "caSecret": "sso-ca"}
    user = {"type": "oauthbearer", "user": "pods", "oauth": tokens}
    changes = {"kafka.tls": {}, "kafka.authentication": user}
    _, policy, job = objects(parse(changed(changes)))
    volumes = job["spec"]["template"]["spec"]["volumes"]
    assert [each["secret"]["secretName"] for each in volumes if "secret" in each] == ["sso-ca", "pods"]
    assert {"ports": [{"protocol": "TCP", "port": 8443}]} in policy["spec"]["egress"]


def test_all_objects_go_with_the_replay() -> None:
    for each in objects(example("storefront")):
        (owner,) = each["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"], owner["uid"]) == ("ClickReplay", "fix", "uid-fix")
        assert owner["controller"] is True


def test_longest_name_leaves_room_for_the_job() -> None:
    name = jobs.object_name(parse_replay(replay_document("a" * 40)))
    assert len(name) + len("-abcde") <= 63


def test_ended_replay_stays_for_its_time() -> None:
    document = replay_document() | {"status": {"completionTime": "2027-01-15T08:00:00Z"}}
    assert remaining_s(document, 3600, 1_800_000_000) == 3600
    assert remaining_s(document, 3600, 1_800_003_601) < 0


def test_letters_are_counted_once() -> None:
    document = replay_document() | {"status": {"replayed": 3, "failedAgain": 1}}
    assert dict(gains({"replayed": 5, "failedAgain": 1, "skipped": 2}, document)) == {
        "replayed": 2,
        "skipped": 2,
    }
    assert dict(gains({"replayed": 3, "failedAgain": 1}, document)) == {}


def test_reasons_are_those_of_semantics_without_rows_of_the_table() -> None:
    crd = yaml.safe_load((REPOSITORY / "crds/clickreplays.clickstream.dev.yaml").read_text())
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    text = (REPOSITORY / "docs/reference/semantics.md").read_text()
    table = text[text.index("## Dead letters") : text.index("### Any partitioner")]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    documented = {reason for cell in cells for reason in re.findall(r"`([\w-]+)`", cell)}
    assert set(spec["reasons"]["items"]["enum"]) == documented - {"profile-refused"}
