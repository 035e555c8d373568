"""Every reason that the reference knows has a paragraph that says how to fix it, and no other has."""

import re
from pathlib import Path

from clickstream_processor.dead_letters.fixes import FIXES, fix_of
from clickstream_processor.dead_letters.headers import SINK_REASONS, UNKNOWN_REASON
from clickstream_processor.topology.records.records import Reason

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"


def documented() -> set[str]:
    """Return the reasons of the table in semantics.md, and those that the sink's messages begin with."""
    text = (REFERENCE / "semantics.md").read_text().partition("\n## Dead letters\n")[2]
    table = text.partition("| reason |")[2].partition("\n\n")[0]
    firsts = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    of_pods = {reason for cell in firsts for reason in re.findall(r"`([a-z-]+)`", cell)}
    sink = (REFERENCE / "topics-and-records.md").read_text().partition("the message begins with")[2]
    return of_pods | set(re.findall(r"`([a-z-]+)`", sink.partition("|")[0]))


def test_each_documented_reason_has_a_fix_and_no_other_has() -> None:
    assert set(FIXES) - {UNKNOWN_REASON} == documented()
    assert documented() == {reason.value for reason in Reason} | set(SINK_REASONS)


def test_fixes_are_paragraphs_for_people() -> None:
    for reason, text in FIXES.items():
        assert 80 < len(text) < 500, reason
        assert text.endswith("."), reason
        assert "  " not in text, reason
    assert fix_of("a-reason-of-next-year")
