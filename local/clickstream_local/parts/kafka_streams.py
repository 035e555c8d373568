"""The Java programs of bench/kafka-streams, built once per machine: oracle of the tests, and benchmark."""

import os
from collections.abc import Sequence
from pathlib import Path

from clickstream_local.machine.maven import project

PROJECT = Path(__file__).resolve().parents[3] / "bench" / "kafka-streams"


def build() -> Path:
    """Return a folder with the project's jar and its libraries, created again when a source file changes."""
    return project("kafka-streams", PROJECT)


def java(main: str, *arguments: str, options: Sequence[str] = ()) -> list[str]:
    """Return the command that runs one of the project's programs."""
    program = Path(os.environ["JAVA_HOME"]) / "bin" / "java" if "JAVA_HOME" in os.environ else "java"
    quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"
    return [str(program), quiet, *options, "-cp", f"{build()}/*", f"dev.clickstream.bench.{main}", *arguments]
