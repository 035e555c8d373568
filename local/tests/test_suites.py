"""Which tests a run takes: the plugin of the suites, on tests made for it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest

@pytest.fixture
def parts_folder():
    return None

def test_pure():
    pass

def test_real(parts_folder):
    pass

@pytest.mark.long
@pytest.mark.parametrize("number", range(40))
def test_long(number):
    pass
"""
PLUGIN = ["-p", "clickstream_local.testing.suites", "-p", "no:cacheprovider", "-c", os.devnull]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "test_made.py").write_text(TESTS)
    return tmp_path


def taken(folder: Path, *arguments: str, **variables: str) -> list[str]:
    """Return the names of the tests that a run takes."""
    environment = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("CLICKSTREAM_SAMPLE", "CLICKSTREAM_SEED", "PYTEST_"))
    }
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "--collect-only",
            f"--rootdir={folder}",
            *PLUGIN,
            *arguments,
            ".",
        ],
        cwd=folder,
        env={**environment, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return re.findall(r"::(test_\w+(?:\[\d+\])?)", done.stdout)


def test_all_run_where_nobody_asks_for_a_sample(folder: Path) -> None:
    assert len(taken(folder)) == 42


def test_what_asks_for_a_part_is_real(folder: Path) -> None:
    assert taken(folder, "-m", "real") == ["test_real"]
    assert taken(folder, "-m", "not real and not long") == ["test_pure"]


def test_sample_of_nothing_leaves_the_long_ones_out(folder: Path) -> None:
    assert taken(folder, CLICKSTREAM_SAMPLE="0") == ["test_pure", "test_real"]


def test_whole_sample_leaves_nothing_out(folder: Path) -> None:
    assert len(taken(folder, CLICKSTREAM_SAMPLE="1")) == 42


def test_sample_is_drawn_again_by_its_seed_and_differs_by_another(folder: Path) -> None:
    first = taken(folder, CLICKSTREAM_SAMPLE="0.5", CLICKSTREAM_SEED="1")
    assert 2 < len(first) < 42
    assert taken(folder, CLICKSTREAM_SAMPLE="0.5", CLICKSTREAM_SEED="1") == first
    assert taken(folder, CLICKSTREAM_SAMPLE="0.5", CLICKSTREAM_SEED="2") != first


def test_file_stays_on_one_worker(folder: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-v",
            "-n",
            "2",
            "--dist",
            "loadgroup",
            f"--rootdir={folder}",
            *PLUGIN,
            ".",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(set(re.findall(r"\[(gw\d)\] .*PASSED", done.stdout))) == 1
