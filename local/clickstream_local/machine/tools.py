"""Programs that must be on the machine: JDK, Maven, PostgreSQL. Installed with apt-get where allowed."""

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from clickstream_local.errors import CannotStart
from clickstream_local.machine.maven import Say, silent

T = TypeVar("T")

JVM_FOLDERS = ("/usr/lib/jvm", "/opt/java", "/opt/jdk", "/opt")


@dataclass(frozen=True, slots=True)
class Java:
    """A JDK: its folder and feature version (17, 21, ...)."""

    home: Path
    version: int

    @property
    def program(self) -> str:
        """Return the path of `java`."""
        return str(self.home / "bin" / "java")


def find_java(at_least: int = 17, at_most: int = 99) -> Java | None:
    """Return the oldest full JDK within the bounds: JAVA_HOME first, then the usual folders."""
    set_home = os.environ.get("JAVA_HOME")
    homes = [Path(set_home)] if set_home else []
    on_path = shutil.which("javac")
    homes += [Path(on_path).resolve().parent.parent] if on_path else []
    homes += sorted(home for folder in JVM_FOLDERS for home in Path(folder).glob("*"))
    found = [java for home in homes if (java := _java(home)) and at_least <= java.version <= at_most]
    if set_home and found and found[0].home == Path(set_home):
        return found[0]
    return min(found, key=lambda java: java.version, default=None)


def _java(home: Path) -> Java | None:
    """Return the JDK of a folder. A trimmed one (no analyzer locales, no vector module) counts as absent."""
    release = home / "release"
    if not (home / "bin" / "javac").exists() or not release.exists():
        return None
    text = release.read_text(errors="replace")
    version = re.search(r'^JAVA_VERSION="(\d+)', text, re.MULTILINE)
    modules = re.search(r'^MODULES="([^"]*)"', text, re.MULTILINE)
    if version is None or (modules and "jdk.localedata" not in modules[1]):
        return None
    return Java(home, int(version[1]))


def java(at_least: int = 17, at_most: int = 99, say: Say = silent) -> Java:
    """Return a JDK within the bounds: one that is here, else the distribution's, installed."""
    found = find_java(at_least, at_most)
    if found is not None:
        return found
    wanted = f"a JDK from {at_least}" + (f" to {at_most}" if at_most < 99 else "")
    version = next((v for v in _packaged_java() if at_least <= v <= at_most), at_least)
    package = f"openjdk-{version}-jdk-headless"
    return _require(lambda: find_java(at_least, at_most), wanted, package, say)


def java_is_to_be_had(at_least: int) -> bool:
    """Tell whether such a JDK is here, or may be installed from the distribution's packages."""
    return find_java(at_least) is not None or any(version >= at_least for version in _packaged_java())


def maven(say: Say = silent) -> str:
    """Return Maven's path, installing it when allowed."""
    return _require(lambda: shutil.which("mvn"), "Maven", "maven", say)


def postgres(say: Say = silent) -> Path:
    """Return the folder of PostgreSQL's server programs, installing them when allowed."""
    return _require(_find_postgres, "PostgreSQL", "postgresql", say)


def _find_postgres() -> Path | None:
    folders = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name.split(".")[0])
    )
    on_path = shutil.which("initdb")
    if on_path:
        folders.append(Path(on_path).resolve().parent)
    return next((folder for folder in reversed(folders) if (folder / "postgres").exists()), None)


def _require(find: Callable[[], T | None], what: str, package: str, say: Say) -> T:
    found = find()
    if found is not None:
        return found
    if _may_install():
        say(f"installing {what} ({package})")
        _apt("update", "-qq")
        error = _apt("install", "-qq", "-y", "--no-install-recommends", package)
        found = find()
        if found is not None:
            return found
        raise CannotStart(f"{what} is missing and apt-get could not install {package}: {error}")
    raise CannotStart(f"{what} is missing; run as root: apt-get install {package}")


def _may_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


@functools.cache
def _packaged_java() -> list[int]:
    """Return the versions of the distribution's JDK packages, none where they may not be installed."""
    if not _may_install():
        return []
    _apt("update", "-qq")
    listing = subprocess.run(
        ["apt-cache", "pkgnames", "openjdk-"], check=False, capture_output=True, text=True
    )
    return sorted(map(int, re.findall(r"^openjdk-(\d+)-jdk-headless$", listing.stdout, re.MULTILINE)))


def _apt(*arguments: str) -> str:
    """Run apt-get and return the last line of its errors."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        ["apt-get", *arguments], check=False, capture_output=True, text=True, env=environment
    )
    return (done.stderr.strip().splitlines() or [""])[-1]
