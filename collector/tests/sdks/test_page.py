"""The code in the documentation is the code that the tests run, and its table says what they try."""

import json
import re
from pathlib import Path

import pytest
from collector_support.sdk_table import SDKS
from collector_support.sdks import SOURCES

PAGE = (Path(__file__).parents[3] / "docs" / "how-to" / "collect-from-an-sdk.md").read_text()
PROGRAMS = sorted(
    path
    for pattern in ("node/*.mjs", "browser/*.js", "python/drive_*.py")
    for path in SOURCES.glob(pattern)
    if path.stem != "driver"
)
BLOCKS = re.findall(r"^```(?:js|py)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
ROWS = re.findall(r"^\| (\w+), (page|Node|Python) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|", PAGE, re.MULTILINE)
HOMES = {"page": "browser", "Node": "node", "Python": "python"}


def shown(program: Path) -> str:
    """Return the part of a program that the documentation shows."""
    found = re.search(r"^(?://|#) docs\n(.*?)^(?://|#) end$", program.read_text(), re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_each_program_is_in_the_documentation(program: Path) -> None:
    assert shown(program) in BLOCKS


def test_each_block_is_a_program_that_runs() -> None:
    assert len(BLOCKS) == len(PROGRAMS) == len(SDKS)
    assert set(BLOCKS) == {shown(program) for program in PROGRAMS}


def test_versions_are_those_that_run() -> None:
    locked = json.loads((SOURCES / "package.json").read_text())["dependencies"]
    python = (SOURCES / "requirements.in").read_text().split()
    pinned = {*locked.items(), *(tuple(line.split("==")) for line in python)}
    assert set(re.findall(r"^In .*, `(.+)` ([\d.]+):$", PAGE, re.MULTILINE)) == pinned


def test_table_of_failures_says_what_the_tests_try() -> None:
    said = {
        (HOMES[home], name.lower()): {
            what for what, cell in zip(("503", "429", "away"), cells, strict=True) if cell.startswith("sent ")
        }
        for name, home, *cells in ROWS
    }
    assert said == {(sdk.home, sdk.name): set(sdk.again_after) for sdk in SDKS}
