"""Kafka Streams as the oracle: bench/kafka-streams, built once per machine, one process for several cases."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from clickstream_local.maven import fill, maven
from clickstream_processor.topology.plan import Plan
from line_driver import Event, Output

PROJECT = Path(__file__).resolve().parents[2] / "bench" / "kafka-streams"
LIBRARIES = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


def build() -> Path:
    """Return a folder with the project's jar and its libraries, made anew when a source file changes."""
    sources = [PROJECT / "pom.xml", *sorted(PROJECT.rglob("src/**/*.java"))]

    def package(folder: Path) -> None:
        with tempfile.TemporaryDirectory() as work:
            project = shutil.copytree(
                PROJECT, Path(work) / "project", ignore=shutil.ignore_patterns("target")
            )
            copy = [LIBRARIES, "-DincludeScope=runtime", f"-DoutputDirectory={folder}"]
            maven(["-f", str(project / "pom.xml"), "package", *copy], "Kafka Streams")
            for jar in (project / "target").glob("*.jar"):
                shutil.copy(jar, folder)

    return fill("kafka-streams", "".join(source.read_text() for source in sources), package)


def java(main: str, *arguments: str, options: Sequence[str] = ()) -> list[str]:
    """Return the command that runs one of the project's programs."""
    program = Path(os.environ["JAVA_HOME"]) / "bin" / "java" if "JAVA_HOME" in os.environ else "java"
    quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"
    return [str(program), quiet, *options, "-cp", f"{build()}/*", f"dev.clickstream.bench.{main}", *arguments]


def outputs_of(cases: Sequence[tuple[Plan, Sequence[Event]]]) -> list[list[Output]]:
    """Return each case's output records in the order in which Kafka Streams wrote them."""
    with tempfile.TemporaryDirectory() as folder:
        runs = []
        for number, (plan, events) in enumerate(cases):
            name = Path(folder) / str(number)
            name.with_suffix(".events").write_text("".join(json.dumps(asdict(e)) + "\n" for e in events))
            runs.append(
                {
                    "join": plan.join,
                    "size_ms": plan.size_ms,
                    "advance_ms": plan.advance_ms,
                    "grace_ms": plan.grace_ms,
                    "emit": plan.emit,
                    "events": str(name.with_suffix(".events")),
                    "outputs": str(name.with_suffix(".outputs")),
                }
            )
        file = Path(folder) / "runs"
        file.write_text("".join(json.dumps(run) + "\n" for run in runs))
        subprocess.run(java("Oracle", str(file), options=["-XX:+UseSerialGC"]), check=True, timeout=1_800)
        return [_read(file.with_name(f"{number}.outputs")) for number in range(len(runs))]


def _read(file: Path) -> list[Output]:
    with file.open() as lines:
        return [Output(**json.loads(line)) for line in lines]
