"""Supervision: readiness, failure that says why, and nothing left behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from clickstream_local.errors import PartFailed
from clickstream_local.machine.process import Process
from clickstream_local.testing.eventually import eventually

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]


def has_ended(pid: int) -> bool:
    """Tell whether a process is gone, or only its parent has not noticed."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:  # it may go between two looks
        return True


def test_a_program_that_ends_before_it_is_ready_tells_its_last_lines(tmp_path: Path) -> None:
    process = Process(
        "part", [sys.executable, "-c", "raise SystemExit('no luck today')"], log=tmp_path / "log"
    )
    process.start()
    with pytest.raises(PartFailed, match=r"(?s)part ended with status 1.*log.*no luck today"):
        process.wait_until(lambda: False)


def test_a_program_that_is_not_ready_in_time_is_named(tmp_path: Path) -> None:
    process = Process("part", SLEEPER, log=tmp_path / "log")
    process.start()
    try:
        with pytest.raises(PartFailed, match="part was not ready after 0 s"):
            process.wait_until(lambda: False, 0.1)
    finally:
        process.stop()


def test_stop_ends_a_frozen_program_and_its_children(tmp_path: Path) -> None:
    parent = (
        "import subprocess, time; print(subprocess.Popen(['sleep', '99']).pid, flush=True); time.sleep(99)"
    )
    process = Process("part", [sys.executable, "-c", parent], log=tmp_path / "log")
    process.start()
    eventually(lambda: (tmp_path / "log").read_text().endswith("\n"))
    child = int((tmp_path / "log").read_text())
    process.suspend()
    process.stop()
    assert not process.is_running()
    eventually(lambda: has_ended(child))


def test_a_program_does_not_outlive_its_killed_parent(tmp_path: Path) -> None:
    script = f"""
import sys, time
from pathlib import Path
from clickstream_local.machine.process import Process
process = Process("part", {SLEEPER!r}, log=Path({str(tmp_path / "log")!r}))
process.start()
print(process.pid, flush=True)
time.sleep(600)
"""
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert psutil.pid_exists(child)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    eventually(lambda: has_ended(child))


def test_a_killed_program_can_be_started_again(tmp_path: Path) -> None:
    process = Process("part", SLEEPER, log=tmp_path / "log")
    process.start()
    first = process.pid
    process.kill()
    assert not process.is_running()
    process.start()
    try:
        assert process.is_running()
        assert process.pid != first
    finally:
        process.stop()
