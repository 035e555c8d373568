"""Real SDKs, unmodified: installed once into the cache, and run from programs of a few lines.

The programs (sdks/node, sdks/python, sdks/browser) have the address that the documentation shows. A copy with
the address of a test's endpoint in its place is what runs.
"""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from clickstream_local.errors import CannotStart
from clickstream_local.machine.maven import fill
from clickstream_local.machine.ports import HOST

SOURCES = Path(__file__).parents[1] / "sdks"
DOCUMENTED = "collect.example.com"
# A clock that is wrong, in Node and in a page, for the SDK and for its program.
_BEHIND = """
const Right = Date;
globalThis.Date = class extends Right {
  constructor(...given) { if (given.length) super(...given); else super(Right.now() - BEHIND_MS); }
  static now() { return Right.now() - BEHIND_MS; }
};
"""
_LOCKS = ("package.json", "package-lock.json", "requirements.lock")


def installed() -> Path:
    """Return a folder with node_modules, python_modules, and the pages' scripts in build/.

    Raises CannotStart where npm is missing, or cannot fetch the packages.
    """
    scripts = sorted(SOURCES.glob("browser/*.js"))
    key = "".join((SOURCES / name).read_text() for name in _LOCKS) + "".join(map(Path.read_text, scripts))
    return fill("sdks", key + sys.version, _install)


def node() -> str:
    """Return the Node of the lock file; Debian's is too old for some SDKs. Not on Linux: that on the PATH."""
    pinned = sorted(installed().glob("node_modules/node-linux-*/bin/node"))
    return str(pinned[0]) if pinned else "node"


def _install(folder: Path) -> None:
    if shutil.which("npm") is None:
        raise CannotStart("no npm on the PATH: the tests run real SDKs. Install Debian's package npm")
    for name in _LOCKS:
        shutil.copy(SOURCES / name, folder)
    shutil.copytree(SOURCES / "browser", folder / "browser")
    _run(folder, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    pages = [f"browser/{path.name}" for path in (folder / "browser").glob("*.js") if path.stem != "driver"]
    _run(
        folder,
        "node_modules/.bin/esbuild",
        *pages,
        "--bundle",
        "--format=iife",
        "--platform=browser",
        '--define:process.env.NODE_ENV="production"',
        "--outdir=build",
    )
    # Not a venv: its programs name the folder that it was made in, and the cache renames that.
    _run(
        folder,
        *(sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--require-hashes"),
        *("--target", "python_modules", "-r", "requirements.lock"),
    )


def _run(folder: Path, *command: str) -> None:
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise CannotStart(
            f"{' '.join(command[:4])} failed: {done.stdout[-2000:]}{done.stderr[-2000:]}\n"
            "check the way to the registries of npm and PyPI (proxy, .npmrc, pip.conf) and try again"
        )


def pointed_at(program: str, port: int) -> str:
    """Return a program with an endpoint of this machine in place of the documentation's."""
    local = re.sub(r'(protocol(?:: |=))"https"', r'\1"http"', program)
    local = local.replace(f"https://{DOCUMENTED}", f"http://{HOST}:{port}")
    return local.replace(DOCUMENTED, f"{HOST}:{port}")


def clock_behind(by_ms: int) -> str:
    """Return a script that sets the clock back."""
    return _BEHIND.replace("BEHIND_MS", str(by_ms))


@dataclass(frozen=True, slots=True)
class Call:
    """The driver's clock around a call, ms since the epoch."""

    began: int
    ended: int


class ServerSdk:
    """A process of Node or Python that has one SDK."""

    def __init__(self, language: str, name: str, port: int, folder: Path, behind_ms: int = 0) -> None:
        home = installed()
        work = folder / f"{language}-{name}-{port}"
        shutil.copytree(SOURCES / language, work)
        (work / "node_modules").symlink_to(home / "node_modules")
        program = work / (f"{name}.mjs" if language == "node" else f"drive_{name}.py")
        program.write_text(pointed_at(program.read_text(), port))
        if language == "node":
            (work / "clock.mjs").write_text(clock_behind(behind_ms))
            command = [node(), "--import", str(work / "clock.mjs"), str(program)]
        else:
            assert not behind_ms, "only clocks of JavaScript can be set"
            command = [sys.executable, "-S", str(program)]
        self._log = (work / "log").open("w+")
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(home / "python_modules")},
            text=True,
        )

    def call(self, name: str, *given: object) -> Call:
        """Call the SDK; it sends later."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps([name, *given]) + "\n")
        stdin.flush()
        while line := stdout.readline():
            if line.startswith('{"began"'):  # SDKs print too
                return Call(**json.loads(line))
        self._log.seek(0)
        raise AssertionError(f"the SDK's program ended: {self._log.read()[-2000:]}")

    def close(self) -> None:
        """End the program."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            if stream is not None:
                stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
