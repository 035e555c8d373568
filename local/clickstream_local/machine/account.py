"""Who runs the programs that refuse root: PostgreSQL and OpenSearch.

As root they run as `nobody`. When a folder of theirs lies under one that `nobody` may not
enter (a clone in /root, mode 700), they keep the single capability to pass it.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

NOBODY = 65534


def unprivileged(folders: Sequence[Path]) -> tuple[str, ...]:
    """Return the command prefix that runs a program without root's rights and lets it enter `folders`."""
    if os.geteuid() != 0:
        return ()
    identity = (f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--pdeathsig=KILL")
    prefix = (shutil.which("setpriv") or "setpriv", *identity)
    if all(_may_enter(prefix, folder) for folder in folders):
        return prefix
    return (
        *prefix,
        "--inh-caps=+dac_override",
        "--ambient-caps=+dac_override",
        "--securebits=+no_setuid_fixup",
    )


def hand_over(folder: Path) -> None:
    """Make `folder` and what is in it belong to the account of `unprivileged`."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        return
    for path in (folder, *folder.rglob("*")):
        os.lchown(path, NOBODY, NOBODY)


def _may_enter(prefix: Sequence[str], folder: Path) -> bool:
    there = folder
    while not there.exists():
        there = there.parent
    return (
        subprocess.run([*prefix, "test", "-r", str(there)], check=False, capture_output=True).returncode == 0
    )
