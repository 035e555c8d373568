"""Jars from Maven Central, by a pom, each set in a folder named after the pom's content.

A folder in the cache is complete or absent: it is filled under another name and renamed.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from clickstream_local.errors import CannotStart

COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
Say = Callable[[str], None]


def silent(_: str) -> None:
    """Say nothing: the listener for tests."""


def cache_folder() -> Path:
    """Return the folder for downloads: CLICKSTREAM_CACHE, or ~/.cache/clickstream."""
    return Path(os.environ.get("CLICKSTREAM_CACHE") or Path.home() / ".cache" / "clickstream")


def fill(name: str, key: str, build: Callable[[Path], None]) -> Path:
    """Return the cached folder of `name` and content `key`; `build` fills an empty folder when it is absent.

    Several processes may ask at the same time: one builds, the others wait.
    """
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    target = cache / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            work = Path(tempfile.mkdtemp(prefix=f"{name}.", dir=cache))
            try:
                build(work)
                work.chmod(0o755)
                work.rename(target)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    return target


def jars(name: str, pom: Path, *, exclude_groups: Sequence[str] = (), say: Say = silent) -> Path:
    """Return a folder with the run-time dependencies of `pom`."""

    def build(folder: Path) -> None:
        excluded = [f"-DexcludeGroupIds={','.join(exclude_groups)}"] if exclude_groups else []
        goal = [COPY, "-DincludeScope=runtime", f"-DoutputDirectory={folder}", *excluded]
        maven(["-f", str(pom), *goal], name, say)

    return fill(name, pom.read_text() + ",".join(exclude_groups), build)


def project(name: str, source: Path) -> Path:
    """Return a folder with a project's jar and its libraries, built again when a source file changes."""
    files = [source / "pom.xml", *sorted(source.rglob("src/**/*.java"))]

    def package(folder: Path) -> None:
        with tempfile.TemporaryDirectory() as work:
            copied = shutil.copytree(source, Path(work) / "project", ignore=shutil.ignore_patterns("target"))
            copy = [COPY, "-DincludeScope=runtime", f"-DoutputDirectory={folder}"]
            maven(["-f", str(copied / "pom.xml"), "package", *copy], name)
            for jar in (copied / "target").glob("*.jar"):
                shutil.copy(jar, folder)

    return fill(name, "".join(file.read_text() for file in files), package)


def maven(arguments: Sequence[str], name: str, say: Say = silent) -> None:
    """Run Maven and report how many files came. Raises CannotStart with Maven's own error lines."""
    say(f"fetching {name} from Maven Central")
    command = ["mvn", "-B", "--no-transfer-progress", *arguments]
    lines: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        output = process.stdout
        if output is None:
            raise CannotStart("Maven has no output")
        reader = threading.Thread(target=lambda: lines.extend(output), daemon=True)
        reader.start()
        status = process.wait()
        reader.join()
    if status != 0:
        errors = [line.strip() for line in lines if line.startswith("[ERROR]")][:3]
        raise CannotStart(
            f"Maven could not fetch {name}: {' '.join(errors) or f'status {status}'}\n"
            "check the way to Maven Central (proxy or mirror: ~/.m2/settings.xml) and try again"
        )
