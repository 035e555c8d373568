"""The scripts and the Makefile name files of the repository: one that was moved is followed everywhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SCRIPTS = [
    path
    for path in (
        ROOT / "Makefile",
        ROOT / ".ci" / "run",
        *(ROOT / "scripts").iterdir(),
        *ROOT.glob("*/cluster/*.sh"),
    )
    if path.is_file()
]
PARTS = [*sorted(path.name for path in ROOT.iterdir() if (path / "tests").is_dir()), "docs", "scripts"]
NAMED = re.compile(rf"(?<![\w./$}}-])(?:{'|'.join(PARTS)})/[\w./-]*\w")


def missing(text: str) -> list[str]:
    """Return the files that a script names and that are not there; what a build makes is left out."""
    names = (found[0] for found in NAMED.finditer(text))
    return [name for name in names if "/target" not in name and not (ROOT / name).exists()]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_file_that_a_script_names_is_there(script: Path) -> None:
    assert missing(script.read_text()) == []


def test_a_file_that_was_moved_is_found() -> None:
    assert missing("pytest operator/tests/lifecycle/test_rollout.py") == [
        "operator/tests/lifecycle/test_rollout.py"
    ]
    assert missing("pytest operator/tests/lifecycle/rollouts/test_rollout.py") == []
    assert len(SCRIPTS) > 15
