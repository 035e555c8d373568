"""The pages that explain the records name every field, reason and header that the code has, and no other."""

import re

from clickstream_processor.topology.records import notices
from clickstream_processor.topology.records.records import Reason
from clickstream_processor.topology.records.replayed import Replayed

from charts.reference.pages import ROOT, made_pages
from charts.reference.records import letter_headers, written_fields
from charts.tests.documentation.page_sections import section

FOLDER = ROOT / "docs/reference"
MADE = made_pages()[FOLDER / "records.md"]
TOPICS = (FOLDER / "topics-and-records.md").read_text()
SEMANTICS = (FOLDER / "semantics.md").read_text()
PROTOCOL = (FOLDER / "protocol.md").read_text()
SINK = ROOT / "connect/src/main/java/dev/clickstream/connect"


def first_cells(text: str) -> set[str]:
    """Return the words in code of the first column of the tables in a text."""
    cells = re.findall(r"^\| (.*?) \|", text, re.MULTILINE)
    return {word for cell in cells for word in re.findall(r"`([^`]+)`", cell)}


def test_every_reason_of_a_dead_letter_is_explained_and_no_other() -> None:
    reasons = {reason.value for reason in Reason}
    assert first_cells(section(SEMANTICS, "Dead letters")) == reasons
    assert first_cells(section(MADE, "Reasons of the pods")) == reasons


def test_every_header_of_a_dead_letter_is_explained_and_no_other() -> None:
    assert first_cells(section(TOPICS, "Letters of the pods")) == set(letter_headers())
    assert first_cells(section(MADE, "Headers of the pods")) == set(letter_headers())


def test_every_header_that_the_code_names_is_in_a_sample_letter() -> None:
    code = (ROOT / "processor/clickstream_processor/processing/output/letters.py").read_text()
    of_replays = {name for name, _ in Replayed("", 2, "").headers()}
    assert set(re.findall(r'\("([a-z0-9-]+)", ', code)) | of_replays == set(letter_headers())


def test_every_reason_of_the_sink_is_explained_and_no_other() -> None:
    code = "".join(file.read_text() for file in SINK.rglob("*.java"))
    reasons = set(re.findall(r'new Fault\(\s*"([a-z-]+)"', code))
    (said,) = re.findall(r"the message begins with (.*?) \|", section(TOPICS, "Letters of the sink"))
    assert set(re.findall(r"`([a-z-]+)`", said)) == reasons


def test_every_reason_of_a_notice_is_explained_and_no_other() -> None:
    (said,) = re.findall(r"^\| `refused` \| (.*?) \|$", TOPICS, re.MULTILINE)
    assert set(re.findall(r"`([a-z-]+)`", said)) == notices.REASONS


def test_every_output_field_is_explained() -> None:
    for title, kind in (("Enriched clicks", "enriched"), ("Counts", "metrics")):
        assert first_cells(section(TOPICS, title)) - {"event_id"} == set(written_fields()[kind]) - {
            "event_id"
        }


def test_every_field_of_the_made_page_is_named_where_it_is_explained() -> None:
    fields = first_cells(MADE[MADE.index("## Values") : MADE.index("## Dead letters")])
    named = set(re.findall(r"\w+", TOPICS + PROTOCOL))
    assert len(fields) > 30
    assert not fields - named
