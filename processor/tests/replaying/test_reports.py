"""A replay's description, its progress in Kafka and its report: read, checked, bounded."""

import json
from typing import Any

import pytest
from clickstream_processor.errors import InvalidReplay, ReplayFailed
from clickstream_processor.replaying.progress import OTHER, Progress, read_progress, replayed_of
from clickstream_processor.replaying.report import Example, Report, report_of
from clickstream_processor.replaying.request import read_request

SOUND = {
    "version": 1, "name": "fix", "uid": "u-1", "reasons": ["late"], "from_ms": None, "to_ms": None,
    "sources": [], "limit": None, "where": "", "set": {"timestamp": "int(click.timestamp)"},
    "late": "skip", "dry_run": False,
}  # fmt: skip


def test_a_description_is_read_whole() -> None:
    request = read_request(json.dumps(SOUND).encode())
    assert (request.name, request.reasons, request.set) == ("fix", ["late"], SOUND["set"])
    assert read_request(b'{"version":1,"name":"fix","uid":"u"}').late == "skip"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 2}, "version: 2"),
        ({"name": "Fix it"}, "name"),
        ({"uid": "a/b"}, "uid"),
        ({"reason": []}, "reason"),
        ({"limit": 0}, "limit"),
        ({"sources": [-1]}, "sources"),
        ({"late": "drop"}, "late"),
        ({"from_ms": 2, "to_ms": 2}, "to_ms"),
        ({"where": "letter.reson == 'x'"}, "where: line 1"),
        ({"set": {"timestamp": "profile.name"}}, "set.timestamp: line 1"),
        ({"set": {"a b": "1"}}, "a b"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidReplay, match=said):
        read_request(json.dumps(SOUND | change).encode())


@pytest.mark.parametrize("document", [b"", b"{", b"\xff", b"[]", b"null"])
def test_what_is_no_description_is_refused(document: bytes) -> None:
    with pytest.raises(InvalidReplay):
        read_request(document)


def test_progress_comes_back_as_it_was_and_fits_an_offsets_metadata() -> None:
    part = Progress(5, 1 << 62)
    for number in range(1_000):
        tally = part.of(f"{'r' * 35}-{number:04d}")
        tally.matched += 1_000_000_000_000
        tally.replayed += 999_999_999_999
    for why in ("sink", "unknown-letter", "profile", "other-topic", "late", "cut", "no-value", "no-click",
                "where-failed", "set-failed", "too-large"):  # fmt: skip
        part.skipped[why] = 1 << 50
    text = part.encode()
    assert len(text) <= 4_096
    assert read_progress(text) == part
    assert part.of(OTHER).matched == 970 * 1_000_000_000_000
    assert replayed_of([part, part]) == 2_000 * 999_999_999_999


@pytest.mark.parametrize("text", ["", "x", '{"s":1}', '{"s":1,"e":2,"v":2}'])
def test_progress_that_cannot_be_read_ends_the_replay_with_advice(text: str) -> None:
    with pytest.raises(ReplayFailed):
        read_progress(text)


def test_a_report_adds_up_partitions_and_what_failed_again() -> None:
    parts = {0: Progress(10, 20), 1: Progress(0, 0), 2: Progress(5, 9)}
    for part, count in ((parts[0], 3), (parts[2], 1)):
        tally = part.of("unmatched")
        tally.matched, tally.replayed = count + 1, count
        part.skip("cut")
    report = report_of("done", parts, {0: 20, 2: 12}, {"unmatched": 2}, [], "")
    assert (report.scanned, report.total) == (14, 14)
    assert (report.matched, report.replayed, report.skipped, report.failed_again) == (6, 4, 2, 2)
    assert json.loads(report.encode())["by_reason"] == {
        "unmatched": {"matched": 6, "replayed": 4, "failed_again": 2}
    }
    dry = report_of("done", parts, {0: 20, 2: 12}, {}, [], "", dry_run=True)
    assert (dry.matched, dry.replayed, dry.skipped, dry.by_reason["unmatched"].replayed) == (6, 0, 2, 0)


@pytest.mark.parametrize("character", ["x", "\u00e9", "\U0001f600", '"'])
def test_the_last_word_fits_whatever_the_letters_hold(character: str) -> None:
    first = [Example(f"user-clicks-{n}-{1 << 62}", "mistyped-field", character * 150) for n in range(20)]
    report = Report("done", matched=7, first=first, message=character * 5_000)
    parts = {n: Progress(0, 9) for n in range(1_000)}
    for part in parts.values():
        for number in range(30):
            part.of(f"{'r' * 35}-{number:04d}").matched += 1 << 40
    for whole in (report, report_of("failed", parts, {}, {}, first, character * 5_000)):
        word = whole.last_word()
        assert len(word) <= 4_096
        assert json.loads(word)["phase"] == whole.phase
        assert json.loads(word)["matched"] == whole.matched
    assert len(report.first) == 20  # what is served stays whole
