"""Elasticsearch OSS 7.10.2 from Maven Central. It wants a JDK with a security manager (up to 23)."""

from pathlib import Path

from clickstream_local.machine import maven, tools
from clickstream_local.machine.maven import Say, silent
from clickstream_local.machine.ports import HOST, free_port
from clickstream_local.machine.process import Process
from clickstream_local.parts.kafka import HERE
from clickstream_local.parts.search import SearchEngine


class Elasticsearch(SearchEngine):
    """One node in `folder`."""

    engine = "elasticsearch"

    def __init__(
        self, folder: Path, *, port: int | None = None, heap_mb: int = 512, say: Say = silent
    ) -> None:
        self.port = port or free_port()
        self.url = f"http://{HOST}:{self.port}"
        java = tools.java(17, 23, say)
        tools.maven(say)
        jars = maven.jars("elasticsearch-7.10.2", HERE / "elasticsearch.pom.xml", say=say)
        memory = [f"-Xms{heap_mb // 2}m", f"-Xmx{heap_mb}m", "-XX:+UseSerialGC"]
        allow = ["-Djava.security.manager=allow"] if java.version > 17 else []
        arguments = [str(folder / "elasticsearch"), str(self.port), str(free_port())]
        self._process = Process(
            "Elasticsearch",
            [java.program, *memory, *allow, "-cp", f"{jars}/*", str(HERE / "Elasticsearch.java"), *arguments],
            log=folder / "elasticsearch.log",
            folder=folder,
            stop_timeout_s=20,
        )
        self._folder = folder

    def _prepare(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
