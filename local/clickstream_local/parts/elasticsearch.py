"""Elasticsearch OSS 7.10.2 from Maven Central. It wants a JDK with a security manager (up to 23)."""

from pathlib import Path

from clickstream_local import maven, tools
from clickstream_local.maven import Say, silent
from clickstream_local.parts.kafka import HERE
from clickstream_local.parts.search import answers
from clickstream_local.ports import HOST, free_port
from clickstream_local.process import Process


class Elasticsearch:
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

    def start(self) -> None:
        """Start the node and wait until it answers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._process.start()
        self._process.wait_until(lambda: answers(self.url))

    def stop(self) -> None:
        """Stop the node in order."""
        self._process.stop()

    def kill(self) -> None:
        """Kill the node, as a crash would."""
        self._process.kill()

    def restart(self) -> None:
        """Stop in order and start again."""
        self.stop()
        self.start()

    def suspend(self) -> None:
        """Freeze the node, as a machine that hangs would."""
        self._process.suspend()

    def resume(self) -> None:
        """Let a frozen node go on."""
        self._process.resume()

    def is_running(self) -> bool:
        """Tell whether the node's process lives."""
        return self._process.is_running()
