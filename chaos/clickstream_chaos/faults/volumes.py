"""Volumes that are lost, old, damaged or full."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clickstream_chaos.faults.moves import any_pod, restart_and_time
from clickstream_chaos.faults.registry import MOUNT, fault
from clickstream_chaos.suite import Suite
from clickstream_chaos.waiting import eventually

ROOM_BYTES = 64 << 20  # what a pod's small volume has left for new state


@fault("wipe", 2)
def wipe_state(suite: Suite) -> None:
    """Lose a pod's volume."""
    victim = any_pod(suite)
    suite.pipeline.pod(victim).kill()
    shutil.rmtree(suite.pipeline.data(victim))
    restart_and_time(suite, victim)


@fault("old-volume", 2)
def old_volume(suite: Suite) -> None:
    """Bring a volume back as it was some commits ago."""
    victim = any_pod(suite)
    data = suite.pipeline.data(victim)
    copy = data.with_name(f"{data.name}-old")
    suite.pipeline.pod(victim).kill()
    shutil.copytree(data, copy)
    suite.pipeline.restart_pod(victim)
    suite.heal()
    time.sleep(suite.chance.uniform(0, 3))
    suite.pipeline.pod(victim).kill()
    shutil.rmtree(data)
    copy.rename(data)
    suite.pipeline.restart_pod(victim)


@fault("corrupt", 2)
def corrupt_table_file(suite: Suite) -> None:
    """Flip bytes in the middle of a table file of the state."""
    victim = any_pod(suite)
    suite.pipeline.pod(victim).kill()
    files = sorted(suite.pipeline.data(victim).glob("tasks/*/*.sst"))
    if files:
        _damage(suite.chance.choice(files))
        suite.damages += 1
    suite.pipeline.restart_pod(victim)


@fault("disk-full", 2, needs=MOUNT)
def disk_full(suite: Suite) -> None:
    """Put a pod on a small volume, fill it to the last byte, and make room again some time later."""
    victim = any_pod(suite)
    suite.pipeline.pod(victim).kill()
    with _small_volume(suite.pipeline.data(victim)) as volume:
        try:
            suite.pipeline.restart_pod(victim)
            suite.heal()
            eventually("the pod owns tasks", lambda: suite.owns(victim), 90)
            _fill(volume / "filler")
            time.sleep(suite.chance.uniform(2, 12))
            (volume / "filler").unlink()
            suite.heal()
        finally:
            suite.pipeline.pod(victim).kill()
    suite.pipeline.restart_pod(victim)


@contextmanager
def _small_volume(folder: Path) -> Iterator[Path]:
    """Mount a small file system over a folder, with what is in it; copy back what is there at the end."""
    kept = folder.with_name(f"{folder.name}-kept")
    folder.rename(kept)
    folder.mkdir()
    size = ROOM_BYTES + sum(file.stat().st_size for file in kept.rglob("*"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        shutil.copytree(kept, folder, dirs_exist_ok=True)
        yield folder
        shutil.rmtree(kept)
        shutil.copytree(folder, kept)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()
        kept.rename(folder)


def _fill(file: Path) -> None:
    """Write until the volume takes no more byte."""
    for size in (1 << 20, 1 << 12, 1):
        try:
            with file.open("ab", buffering=0) as filler:
                while filler.write(bytes(size)) == size:
                    pass
        except OSError:
            continue


def _damage(file: Path) -> None:
    with file.open("r+b") as table:
        table.seek(file.stat().st_size // 3)
        table.write(b"\xa5" * 64)
