"""A ClickErasure in a file: what the program gets, and what is said of a wrong one."""

import json
from pathlib import Path

import pytest
from clickstream_local.errors import CannotStart
from clickstream_local.pipeline.erasure_file import load_erasure
from clickstream_local.pipeline.options import REPOSITORY
from clickstream_processor.erasing.request import read_request

HEAD = "apiVersion: clickstream.dev/v1alpha1\nkind: ClickErasure\nmetadata: {name: gone}\n"


def written(folder: Path, text: str) -> Path:
    file = folder / "erasure.yaml"
    file.write_text(text)
    return file


def test_the_example_is_what_the_program_reads() -> None:
    document = load_erasure(REPOSITORY / "examples/erasure.yaml", "storefront")
    request = read_request(json.dumps(document).encode())
    assert (request.name, request.users) == ("request-4711", ["alice123"])


def test_a_dry_run_is_one(tmp_path: Path) -> None:
    file = written(tmp_path, HEAD + "spec: {pipeline: storefront, users: [a], dryRun: true}")
    assert read_request(json.dumps(load_erasure(file, "storefront")).encode()).dry_run is True


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[", "is not YAML"),
        ("[]", "must hold one object"),
        ("kind: ClickReplay", "kind: must be ClickErasure"),
        (HEAD, "spec: must be an object"),
        (HEAD + "spec: {pipeline: other, users: [a]}", "spec.pipeline: must be storefront"),
        (HEAD + "spec: {pipeline: storefront}", "spec.users: must be a list"),
        (HEAD + "spec: {pipeline: storefront, users: []}", "spec.users: must be a list"),
        (HEAD + "spec: {pipeline: storefront, users: [4711]}", "put numbers in quotes"),
        (
            HEAD + "spec: {pipeline: storefront, users: [a], dryRun: 'no'}",
            "spec.dryRun: must be true or false",
        ),
        (
            HEAD + "spec: {pipeline: storefront, users: [a], block: true}",
            "spec.block: there is no such field",
        ),
    ],
)
def test_a_wrong_file_is_refused_with_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(CannotStart) as refused:
        load_erasure(written(tmp_path, text), "storefront")
    assert said in str(refused.value)


def test_what_is_said_names_no_user(tmp_path: Path) -> None:
    with pytest.raises(CannotStart) as refused:
        load_erasure(written(tmp_path, HEAD + "spec: {pipeline: x, users: [alice123, 5]}"), "storefront")
    assert "alice123" not in str(refused.value)
