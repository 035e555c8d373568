"""The page of conditions, which is written by hand, has every reason of the operator, and no other."""

import ast
import re

from clickstream_operator.database.memory import GAPS
from clickstream_operator.source.findings import REASONS

from charts.reference.pages import ROOT
from charts.tests.documentation.condition_reasons import Given, conditions, events, modules, refusals
from charts.tests.documentation.page_sections import rows

TEXT = (ROOT / "docs/reference/conditions.md").read_text()
CODED = conditions()
FOUND = {*GAPS, *REASONS}  # of a source: they have tables of their own


def documented() -> set[Given]:
    """Return what the tables say of the conditions."""
    found, condition = set(), ""
    for first, reason, _ in rows(TEXT, "Reasons"):
        condition = first or condition
        if match := re.match(r"`(\w+)`( \*\*S\*\*)?(?: \((\w+)\))?", reason):
            found.add(Given(condition, match[1], match[3] or "False", bool(match[2])))
    for condition, truth, reason in rows(TEXT, "When all is well"):
        found.add(Given(condition, reason.strip("`"), truth, False))
    return found


def test_every_condition_has_a_row() -> None:
    assert {row[0] for row in rows(TEXT, "Conditions")} == {given.condition for given in CODED}


def test_every_reason_with_its_truth_is_on_the_page_and_no_other() -> None:
    elsewhere = {
        given for given in CODED if given.reason in FOUND or given.reason in ("Deleting", "NoPodAnswers")
    }
    assert documented() == CODED - elsewhere


def test_conditions_without_an_answer_of_a_pod_are_all_named() -> None:
    unknown = {given.condition for given in CODED if given.reason == "NoPodAnswers"}
    (sentence,) = re.findall(r"^(.*?) are Unknown with the reason `NoPodAnswers`", TEXT, re.MULTILINE)
    assert set(re.findall(r"\w+(?=,| and|$)", sentence)) == unknown


def test_a_deletion_is_told_by_each_summary() -> None:
    (sentence,) = re.findall(r"^During a deletion, .*$", TEXT, re.MULTILINE)
    deleting = {given for given in CODED if given.reason == "Deleting"}
    said = {
        Given(kind, "Deleting", truth, False) for kind, truth in re.findall(r"`(\w+)` is (\w+)", sentence)
    }
    assert said == deleting


def test_every_refusal_has_a_row() -> None:
    assert {row[0].strip("`") for row in rows(TEXT, "Refused pipelines")} == refusals()


def test_every_event_of_an_action_has_a_row() -> None:
    assert {name for row in rows(TEXT, "Events") for name in re.findall(r"`(\w+)`", row[0])} == events()


def test_every_finding_about_a_source_has_a_row_that_says_whether_it_warns() -> None:
    warns: dict[str, bool] = {}
    for reasons, *_ in rows(TEXT, "The source database"):
        names, mark, _ = reasons.partition(" (warns)")
        warns |= dict.fromkeys(names.split(", "), bool(mark))
    assert warns == {reason: reason in warnings() for reason in REASONS}


def warnings() -> set[str]:
    """Return the findings that refuse nothing."""
    calls = [node for _, tree in modules() for node in ast.walk(tree) if isinstance(node, ast.Call)]
    findings = [call for call in calls if getattr(call.func, "id", "") == "Finding"]
    mild = [call.args[0] for call in findings if "Severity.WARN" in map(ast.unparse, call.args)]
    found = {reason.value for reason in mild if isinstance(reason, ast.Constant)}
    assert found
    return {str(name) for name in found}


def test_every_gap_has_a_row() -> None:
    assert {row[0] for row in rows(TEXT, "Gaps")} == set(GAPS)


def test_every_reason_of_a_replay_or_an_erasure_is_on_the_page_and_no_other() -> None:
    found, condition = set(), ""
    for first, reasons, _ in rows(TEXT, "Reasons of a replay or an erasure"):
        condition = first or condition
        for reason, truth in re.findall(r"`(\w+)`(?: \((\w+)\))?", reasons):
            found.add(Given(condition, reason, truth or "False", False))
    assert found == conditions(of_operations=True)
