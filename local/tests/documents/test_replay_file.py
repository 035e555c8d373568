"""A ClickReplay in a file becomes what the replay's program reads; each wrong field is named."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from clickstream_local.errors import CannotStart
from clickstream_local.pipeline.options import REPOSITORY
from clickstream_local.pipeline.replay_file import load_replay
from clickstream_processor.replaying.request import read_request
from msgspec.json import encode

SPEC: dict[str, Any] = {"pipeline": "storefront"}


def write(folder: Path, spec: Any = None, **fields: Any) -> Path:
    document = {
        "apiVersion": "clickstream.dev/v1alpha1",
        "kind": "ClickReplay",
        "metadata": {"name": "fix"},
        "spec": SPEC if spec is None else spec,
    }
    file = folder / "replay.yaml"
    file.write_text(yaml.safe_dump(document | fields))
    return file


def test_the_example_is_one_that_the_program_takes() -> None:
    replay = load_replay(REPOSITORY / "examples" / "replay.yaml", "storefront")
    request = read_request(encode(replay))
    assert (request.name, request.dry_run) == ("timestamps-as-text", True)
    assert request.reasons == ["mistyped-field"]
    assert request.set == {"timestamp": "int(click.timestamp)"}


def test_every_field_finds_its_place(tmp_path: Path) -> None:
    spec = SPEC | {
        "reasons": ["late"],
        "from": "2026-01-31T12:00:00Z",
        "to": "2026-01-31T14:00:00.5+01:00",
        "sources": [1],
        "limit": 7,
        "where": "letter.attempt == 1",
        "set": {"page_url": '"/"'},
        "late": "enrich",
        "dryRun": True,
    }
    request = read_request(encode(load_replay(write(tmp_path, spec), "storefront")))
    assert (request.from_ms, request.to_ms) == (1_769_860_800_000, 1_769_864_400_500)
    assert (request.sources, request.limit, request.late) == ([1], 7, "enrich")
    assert (request.where, request.set, request.dry_run) == (spec["where"], spec["set"], True)


def test_the_same_file_is_the_same_replay_and_another_is_another(tmp_path: Path) -> None:
    first = load_replay(write(tmp_path), "storefront")
    assert load_replay(write(tmp_path), "storefront") == first
    others = [
        load_replay(write(tmp_path, SPEC | {"limit": 1}), "storefront"),
        load_replay(write(tmp_path, metadata={"name": "fix-2"}), "storefront"),
    ]
    assert len({first["uid"], *(each["uid"] for each in others)}) == 3


def test_a_time_that_yaml_reads_itself_is_taken(tmp_path: Path) -> None:
    file = write(tmp_path)
    file.write_text(file.read_text() + "  from: 2026-01-31T12:00:00Z\n")
    assert load_replay(file, "storefront")["from_ms"] == 1_769_860_800_000


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"reasons": "late"}, "spec.reasons: must be a list"),
        ({"reasons": [1]}, "spec.reasons"),
        ({"from": "yesterday"}, "spec.from: must be a time with its zone"),
        ({"to": "2026-01-31T12:00:00"}, "spec.to: must be a time with its zone"),
        ({"from": 17}, "spec.from"),
        ({"from": "2026-01-31T12:00:00Z", "to": "2026-01-31T12:00:00Z"}, "spec.to: must be later"),
        ({"sources": [-1]}, "spec.sources"),
        ({"sources": [True]}, "spec.sources"),
        ({"limit": 0}, "spec.limit"),
        ({"limit": True}, "spec.limit"),
        ({"where": True}, "spec.where: must be a CEL expression"),
        ({"set": {"timestamp": 17}}, "spec.set"),
        ({"set": ["timestamp"]}, "spec.set"),
        ({"late": "drop"}, "spec.late: must be skip or enrich"),
        ({"dryRun": "yes"}, "spec.dryRun: must be true or false"),
        ({"reason": ["late"]}, "spec.reason: there is no such field"),
        ({"pipeline": "other"}, "spec.pipeline: must be storefront"),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(CannotStart, match=said):
        load_replay(write(tmp_path, SPEC | fields), "storefront")


@pytest.mark.parametrize("text", ["", "- 1", "a: [", "\x00", "kind: ClickReplay", "spec: 1"])
def test_what_is_no_replay_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "replay.yaml"
    file.write_text(text)
    with pytest.raises(CannotStart, match=str(file)):
        load_replay(file, "storefront")
    with pytest.raises(CannotStart, match="cannot be read"):
        load_replay(tmp_path / "none.yaml", "storefront")


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(CannotStart) as error:
        load_replay(write(tmp_path, SPEC | {"limit": 0, "late": 1}, kind="ClickErasure"), "storefront")
    assert all(said in str(error.value) for said in ("spec.limit", "spec.late", "kind: must be ClickReplay"))
