"""The page of environment variables has every variable that the programs read, and no other."""

import re
from pathlib import Path

import pytest

from charts.reference.environment import (
    CONTROLLER_SECRETS,
    collector_variables,
    erasure_variables,
    operator_variables,
    processor_variables,
    replay_variables,
)
from charts.reference.pages import DEPLOYMENT, ROOT, example

PROCESSOR = ROOT / "processor/clickstream_processor"
OPERATOR = ROOT / "operator/clickstream_operator"
COLLECTOR = ROOT / "collector/clickstream_collector"
DEVELOPMENT = (ROOT / "docs/reference/development-variables.md").read_text()
READ = re.compile(
    r"""(?:environ\.get|environ\[|number|one_of|Setting|_JOB\.read)[(\[]?\(?["'](CLICKSTREAM_\w+)["']"""
)


def read_in(folder: Path) -> set[str]:
    """Return the variables that a package reads."""
    return set(READ.findall("".join(file.read_text() for file in folder.rglob("*.py"))))


def test_every_variable_that_the_processor_reads_has_a_row() -> None:
    rows = [*processor_variables(example()), *replay_variables(), *erasure_variables()]
    assert {row.name for row in rows} == read_in(PROCESSOR)


def test_every_variable_that_the_operator_reads_has_a_row() -> None:
    rows = {row.name for row in operator_variables(DEPLOYMENT.read_text())}
    assert rows | {CONTROLLER_SECRETS[0]} == read_in(OPERATOR)
    code = (OPERATOR / "assignment/__main__.py").read_text()
    assert 'environ.get("{}", "{}")'.format(*CONTROLLER_SECRETS) in code


def test_every_variable_that_the_collector_reads_has_a_row() -> None:
    assert {row.name for row in collector_variables()} == read_in(COLLECTOR)


def test_every_row_has_a_meaning_and_a_default_where_there_is_one() -> None:
    rows = [
        *processor_variables(example()),
        *replay_variables(),
        *erasure_variables(),
        *operator_variables(DEPLOYMENT.read_text()),
        *collector_variables(),
    ]
    assert all(row.meaning for row in rows)
    assert {row.name for row in rows if row.default == "*required*"} == {
        "CLICKSTREAM_SETTINGS",
        "CLICKSTREAM_REPLAY_FILE",
        "CLICKSTREAM_ERASURE_FILE",
        "CLICKSTREAM_PROCESSOR_IMAGE",
        "CLICKSTREAM_COLLECTOR_BOOTSTRAP_SERVERS",
        "CLICKSTREAM_COLLECTOR_PIPELINE_ID",
    }


def test_every_variable_that_the_chart_sets_has_its_value_in_the_table() -> None:
    given = {row.name for row in operator_variables(DEPLOYMENT.read_text()) if row.given}
    assert given == set(re.findall(r"- name: (CLICKSTREAM_\w+)", DEPLOYMENT.read_text()))


@pytest.mark.parametrize("folder", ["local", "chaos"])
def test_every_variable_of_the_development_programs_is_on_their_page(folder: str) -> None:
    code = "".join(file.read_text() for file in (ROOT / folder).rglob("*.py"))
    read = set(re.findall(r"""(?:environ\.get|_given\([\w.]+,|environment)\(?\s*["']([A-Z_]+)["']""", code))
    read |= set(re.findall(r"""["']((?:CLICKSTREAM|CHAOS)_[A-Z_]+)["']""", code))  # by a name in a tuple
    usual = {"HOME", "PATH"}
    assert read - usual
    # On the page of the products.
    of_the_pods = {
        row.name for row in (*processor_variables(example()), *replay_variables(), *erasure_variables())
    }
    assert not {name for name in read - usual - of_the_pods if f"`{name}`" not in DEVELOPMENT}
