"""The programs that the processor is compared with: how each is started on a set of topics."""

import subprocess
import sys
from pathlib import Path

import confluent_kafka
from clickstream_local.errors import CannotStart
from clickstream_local.machine.maven import fill, project
from clickstream_local.machine.tools import java as find_java
from clickstream_local.parts.kafka import Kafka
from clickstream_local.parts.kafka_streams import java

from clickstream_bench.systems import PROGRAMS, ROOT, Program, Topics

HEAP_MIB = 1_024  # of a JVM; what is left of the limit is for RocksDB and the JVM itself
# What Flink reaches into, as its own start script opens it.
OPENED = (
    "java.lang",
    "java.lang.reflect",
    "java.net",
    "java.io",
    "java.nio",
    "java.text",
    "java.time",
    "java.util",
    "java.util.concurrent",
    "java.util.concurrent.atomic",
    "java.util.concurrent.locks",
    "sun.nio.ch",
)


def streams(kafka: Kafka, topics: Topics, folder: Path, run: str, *more: str, tuned: bool = False) -> Program:
    """Kafka Streams: one thread, exactly_once_v2, its defaults, or tuned. `more`: arguments of Bench."""
    names = (topics.clicks, topics.profiles, topics.enriched, topics.metrics)
    options = [f"-Xmx{HEAP_MIB}m", f"-Dclickstream.tuned={str(tuned).lower()}"]
    command = java("Bench", kafka.bootstrap, run, str(folder / "state"), *names, *more, options=options)
    return Program("kafka-streams-tuned" if tuned else "kafka-streams", command, folder)


def tuned_streams(kafka: Kafka, topics: Topics, folder: Path, run: str) -> Program:
    """Kafka Streams with larger caches and bloom filters, as its guides say (TunedRocks.java)."""
    return streams(kafka, topics, folder, run, tuned=True)


def flink_sql(kafka: Kafka, topics: Topics, folder: Path, run: str) -> Program:
    """Flink SQL: one slot, exactly once, a checkpoint each second, RocksDB (FlinkSql.java)."""
    options = [f"-Xmx{HEAP_MIB}m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
    options += [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED]
    names = (topics.clicks, topics.profiles, topics.enriched, topics.metrics)
    program = [find_java(17, 21).program, *options, "-cp", f"{flink_program()}/*"]
    arguments = [kafka.bootstrap, run, str(folder / "state"), *names]
    return Program("flink-sql", [*program, "dev.clickstream.bench.flink.FlinkSql", *arguments], folder)


def flink_program() -> Path:
    """Return the folder of the program and its libraries, built when its source is another."""
    return project("flink-sql", PROGRAMS.parent / "flink-sql")


def quix(kafka: Kafka, topics: Topics, folder: Path, run: str) -> Program:
    """Quix Streams, exactly once, in its own virtual environment."""
    arguments = [kafka.bootstrap, run, str(folder / "state"), topics.clicks, topics.profiles]
    command = [
        str(quix_python()),
        str(PROGRAMS / "quix_streams.py"),
        *arguments,
        topics.enriched,
        topics.metrics,
    ]
    return Program("quix-streams", command, folder)


def plain_copy(kafka: Kafka, topics: Topics, folder: Path, run: str) -> Program:
    """Consume and produce in transactions, no processing; the copies go to the enriched topic."""
    command = [
        sys.executable,
        str(PROGRAMS / "plain_copy.py"),
        kafka.bootstrap,
        run,
        topics.clicks,
        topics.enriched,
    ]
    return Program("plain-copy", command, folder)


def c_copy(kafka: Kafka, topics: Topics, folder: Path, run: str) -> Program:
    """Do as the plain copy does, in C, with the very library of the Python client."""
    command = [str(c_copy_program()), kafka.bootstrap, run, topics.clicks, topics.enriched]
    return Program("c-copy", command, folder)


def c_copy_program() -> Path:
    """Return the program, compiled when its source or the client's library is another."""
    sources = [PROGRAMS / "c_copy.c", PROGRAMS / "rdkafka_used.h"]
    library = librdkafka()
    key = str(library) + "".join(source.read_text() for source in sources)

    def compile_(folder: Path) -> None:
        subprocess.run([ROOT / "scripts" / "tools", "gcc=gcc"], check=True)
        # The library's own libraries lie beside it, and have the names that the wheel gave them.
        places = [f"-Wl,-rpath,{library.parent}", "-Wl,--allow-shlib-undefined"]
        output = ["-o", str(folder / "c_copy")]
        subprocess.run(
            ["gcc", "-O2", "-Wall", "-Wextra", *output, str(sources[0]), str(library), *places], check=True
        )

    return fill("c-copy", key, compile_) / "c_copy"


def librdkafka() -> Path:
    """Return the library in the Python client's wheel. Raises CannotStart: the client is no wheel."""
    package = Path(confluent_kafka.__file__).parent
    found = sorted(package.with_name("confluent_kafka.libs").glob("librdkafka-*.so*"))
    if not found:
        raise CannotStart(
            "confluent-kafka was not installed from its wheel, so there is no library for the copy in C"
        )
    return found[0]


def quix_python() -> Path:
    """Return the interpreter of Quix Streams' environment, made when absent."""
    environment = ROOT / ".local" / "bench" / "quix"
    python = environment / "bin" / "python"
    requirements = PROGRAMS / "quix-requirements.txt"
    ready = environment / "ready"
    if not ready.exists() or ready.read_text() != requirements.read_text():
        uv = str(Path(sys.executable).parent / "uv")
        subprocess.run(
            [uv, "venv", "-q", "--clear", "--python", sys.executable, str(environment)], check=True
        )
        subprocess.run(
            [uv, "pip", "install", "-q", "--python", str(python), "-r", str(requirements)], check=True
        )
        ready.write_text(requirements.read_text())
    return python
