"""The Java programs of bench/kafka-streams, built once per machine: oracle of the tests, and benchmark."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from clickstream_local.machine.maven import fill, maven

PROJECT = Path(__file__).resolve().parents[3] / "bench" / "kafka-streams"
LIBRARIES = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


def build() -> Path:
    """Return a folder with the project's jar and its libraries, created again when a source file changes."""
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
