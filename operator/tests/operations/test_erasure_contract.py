"""An erasure has one meaning: what the operator gives the program, and what the program's receipt says."""

import base64
import json

import msgspec
import pytest
import yaml
from clickstream_operator.operations import job as jobs
from clickstream_operator.operations.erasure import parse_erasure
from clickstream_operator.operations.operation import read_last_word
from clickstream_operator.operations.pods.receipt import read_receipt
from clickstream_operator.spec.clickpipeline import parse
from clickstream_processor.erasing.receipt import Place, Receipt, hashed, receipt_of
from clickstream_processor.erasing.request import read_request
from operator_support import REPOSITORY
from operator_support.documents import reference
from operator_support.example_pipelines import PLATFORM
from operator_support.operation_documents import erasure_document

PLACES = [
    Place("shop.storefront-changelog", "changelog", 6, 0, 1_800_600_000_000, "words"),
    Place("pods", "pods"),
]


@pytest.mark.parametrize("users", [["alice123"], ["zoë 🙂", "a\nb", " x ", '"', "u" * 256]])
def test_program_reads_the_users_of_the_spec_from_the_secret_as_they_are(users: list[str]) -> None:
    erasure = parse_erasure(erasure_document(users=users))
    objects = jobs.objects(erasure, parse(reference()), PLATFORM)
    (secret,) = [each.document for each in objects if each.kind.kind == "Secret"]
    request = read_request(base64.b64decode(secret["data"]["erasure.json"]))
    assert (request.name, request.users) == ("gone", users)


def test_program_reads_the_users_of_a_secret() -> None:
    erasure = parse_erasure(erasure_document(usersSecret={"name": "leavers", "key": "all"}))
    request = read_request(json.dumps(erasure.file()).encode(), b"alice123\nbob\n")
    assert (request.name, request.users) == ("gone", ["alice123", "bob"])


@pytest.mark.parametrize("dry_run", [True, False])
def test_program_reads_whether_it_is_a_dry_run(dry_run: bool) -> None:
    erasure = parse_erasure(erasure_document(dryRun=dry_run))
    assert read_request(json.dumps(erasure.file()).encode()).dry_run is dry_run


def test_example_is_an_erasure() -> None:
    document = yaml.safe_load((REPOSITORY / "examples/erasure.yaml").read_text())
    document["metadata"] |= {"namespace": "shop", "uid": "2f1c"}
    assert read_request(json.dumps(parse_erasure(document).file()).encode()).users == ["alice123"]


def test_operator_reads_every_field_of_a_receipt() -> None:
    receipt = receipt_of("waiting", hashed(["alice", "bob"]), PLACES, "words")
    read = read_receipt(json.loads(receipt.encode()))
    for field in msgspec.structs.fields(Receipt):
        told, found = getattr(receipt, field.name), getattr(read, field.name)
        if field.name == "places":
            found = [Place(**{name: getattr(one, name) for name in Place.__struct_fields__}) for one in found]
        assert (list(found) if field.name == "users" else found) == told, field.name


@pytest.mark.parametrize("phase", ["surveying", "erasing", "waiting", "verifying", "done", "failed"])
def test_operator_reads_every_phase_and_kind_of_place(phase: str) -> None:
    kinds = ("changelog", "pods", "compacted", "index", "profile", "expires")
    receipt = receipt_of(phase, [], [Place(kind, kind) for kind in kinds], "")  # type: ignore[arg-type]
    assert [each.kind for each in read_receipt(json.loads(receipt.encode())).places] == [*kinds]


def test_last_word_of_a_thousand_users_has_their_number() -> None:
    receipt = receipt_of("done", hashed(map(str, range(1_000))), PLACES, "")
    read = read_last_word(parse_erasure(erasure_document()), receipt.last_word().decode())
    assert read is not None
    fields = read.fields({})
    assert fields["userCount"] == 1_000
    assert 0 < len(fields["users"]) < 100
