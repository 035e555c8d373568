"""A replay has one meaning: what the operator and the local command give the program, and what it reports."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from clickstream_local.pipeline.reference import EXAMPLE
from clickstream_local.pipeline.replay_file import load_replay
from clickstream_operator.operations.pods.report import read_report
from clickstream_operator.operations.replay import parse_replay
from clickstream_processor.replaying.report import Example, OfReason, Report
from clickstream_processor.replaying.request import Request, read_request

ALL_SAID = {
    "pipeline": "storefront",
    "reasons": ["mistyped-field", "unmatched"],
    "from": "2026-11-30T08:00:00Z",
    "to": "2026-11-30T10:30:00+01:00",
    "sources": [0, 3],
    "limit": 7,
    "where": 'letter.detail.contains("timestamp") && letter.attempt == 1',
    "set": {"timestamp": "int(click.timestamp)", "user_id": "letter.key"},
    "late": "enrich",
    "dryRun": True,
    "ttlAfterFinished": "3h",
}


@pytest.mark.parametrize("spec", [{"pipeline": "storefront"}, ALL_SAID], ids=["least", "all"])
def test_both_ways_to_the_program_say_the_same(spec: dict[str, Any], tmp_path: Path) -> None:
    metadata = {"name": "fix-times", "namespace": "shop", "uid": "2f1c"}
    document = {
        "apiVersion": "clickstream.dev/v1alpha1",
        "kind": "ClickReplay",
        "metadata": metadata,
        "spec": spec,
    }
    file = tmp_path / "replay.yaml"
    file.write_text(yaml.safe_dump(document))
    on_cluster = read_request(json.dumps(parse_replay(document).file()).encode())
    here = read_request(json.dumps(load_replay(file, "storefront")).encode())
    assert msgspec.structs.replace(here, uid="") == msgspec.structs.replace(on_cluster, uid="")
    unlike_default = [
        field.name
        for field in msgspec.structs.fields(Request)
        if not field.required
        and getattr(here, field.name) != field.default
        and not (field.default is msgspec.NODEFAULT and not getattr(here, field.name))
    ]
    assert len(unlike_default) == (0 if spec is not ALL_SAID else 9)


def test_the_example_is_a_replay_for_both(tmp_path: Path) -> None:
    file = EXAMPLE.parent / "replay.yaml"
    document = yaml.safe_load(file.read_text())
    document["metadata"] |= {"namespace": "shop", "uid": "2f1c"}
    on_cluster = read_request(json.dumps(parse_replay(document).file()).encode())
    here = read_request(json.dumps(load_replay(file, "storefront")).encode())
    assert msgspec.structs.replace(here, uid="") == msgspec.structs.replace(on_cluster, uid="")


def test_the_operator_reads_every_field_of_a_report() -> None:
    report = Report(
        "waiting", 1, 2, 3, 4, 5, 6, {"unmatched": OfReason(7, 8, 9)}, {"late": 10},
        [Example("user-clicks-0-7", "unmatched", "{}")], "words",
    )  # fmt: skip
    read = read_report(json.loads(report.encode()))
    for field in msgspec.structs.fields(Report):
        told, found = getattr(report, field.name), getattr(read, field.name)
        if field.name == "by_reason":
            found = {why: OfReason(one.matched, one.replayed, one.failed_again) for why, one in found.items()}
        if field.name == "first":
            found = [Example(one.place, one.reason, one.value) for one in found]
        assert found == told, field.name
