"""Architecture decision records have one form of heading, a number each, and a line in the index."""

import re
from pathlib import Path

import pytest

from charts.reference.pages import ROOT

FOLDER = ROOT / "docs/adr"
RECORDS = sorted(page for page in FOLDER.glob("*.md") if page.name != "README.md")


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.stem)
def test_a_heading_is_the_number_of_its_file_and_a_title(record: Path) -> None:
    heading, blank, *_ = record.read_text().splitlines()
    number, _, _ = record.name.partition("-")
    assert re.fullmatch(rf"# {number} [A-Z].*[^.]", heading)
    assert blank == ""


def test_each_record_has_a_number_of_its_own() -> None:
    numbers = [record.name.partition("-")[0] for record in RECORDS]
    assert len(numbers) >= 40
    assert len(set(numbers)) == len(numbers)
    assert all(re.fullmatch(r"\d{4}", number) for number in numbers)


def test_the_index_lists_each_record_once_by_its_number() -> None:
    lines = re.findall(r"^- \[(.*?)\]\((.*?)\): \S", (FOLDER / "README.md").read_text(), re.MULTILINE)
    assert sorted(lines) == [(record.name.partition("-")[0], record.name) for record in RECORDS]
