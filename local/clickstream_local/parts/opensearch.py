"""OpenSearch 3.8.0. It wants a full JDK >= 21 and refuses root: it runs as `nobody` then."""

from pathlib import Path

from clickstream_local.machine import tools
from clickstream_local.machine.account import hand_over, unprivileged
from clickstream_local.machine.maven import Say, silent
from clickstream_local.machine.ports import HOST, free_port
from clickstream_local.machine.process import Process
from clickstream_local.parts.opensearch_home import VERSION, opensearch_home
from clickstream_local.parts.search import OPENSEARCH_JAVA, SearchEngine

LOGGING = """status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%-25c{1.}] %marker %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
"""


class OpenSearch(SearchEngine):
    """One node in `folder`."""

    engine = "opensearch"

    def __init__(
        self, folder: Path, *, port: int | None = None, heap_mb: int = 512, say: Say = silent
    ) -> None:
        self.port = port or free_port()
        self.url = f"http://{HOST}:{self.port}"
        self._transport_port = free_port()
        self._folder = folder / "opensearch"
        java = tools.java(OPENSEARCH_JAVA, say=say)
        tools.maven(say)
        self._home = opensearch_home(say)
        self._process = Process(
            "OpenSearch",
            self._command(java, heap_mb),
            log=folder / "opensearch.log",
            environment={"HOME": str(self._folder / "tmp")},
            folder=folder,
            account=unprivileged([folder, self._home, java.home]),
            stop_timeout_s=20,
        )

    def _prepare(self) -> None:
        """Make a home of links to the installation, and folders of the node's own for all that is written."""
        for name in ("config", "data", "logs", "tmp"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        for name in ("lib", "agent", "modules", "bin", "extensions", "plugins"):
            link = self._folder / name
            link.unlink(missing_ok=True)
            link.symlink_to(self._home / name)
        settings = {
            "cluster.name": "clickstream",
            "node.name": "local",
            "path.data": self._folder / "data",
            "path.logs": self._folder / "logs",
            "transport.host": HOST,
            "transport.port": self._transport_port,
            "http.host": HOST,
            "http.port": self.port,
            "discovery.type": "single-node",
            "action.destructive_requires_name": "true",
            "cluster.routing.allocation.disk.threshold_enabled": "false",
        }
        lines = [f"{key}: {value}" for key, value in settings.items()]
        (self._folder / "config" / "opensearch.yml").write_text("\n".join(lines) + "\n")
        (self._folder / "config" / "log4j2.properties").write_text(LOGGING)
        (self._folder / "config" / "jvm.options").write_text("")
        hand_over(self._folder)

    def _command(self, java: tools.Java, heap_mb: int) -> list[str]:
        home, temporary = self._folder, self._folder / "tmp"
        return [
            java.program,
            f"-Xms{heap_mb // 2}m",
            f"-Xmx{heap_mb}m",
            "-XX:+UseSerialGC",
            f"-Djava.io.tmpdir={temporary}",
            f"-Djna.tmpdir={temporary}",
            "-Djna.nosys=true",
            "-Dio.netty.noUnsafe=true",
            "-Dlog4j.shutdownHookEnabled=false",
            "-Dlog4j2.disable.jmx=true",
            "-Dlog4j2.formatMsgNoLookups=true",
            "--add-modules=jdk.incubator.vector",
            "--add-opens=java.base/java.nio.channels=ALL-UNNAMED",
            "--enable-native-access=ALL-UNNAMED",
            f"-javaagent:{self._home}/agent/opensearch-agent-{VERSION}.jar",
            f"-Dopensearch.path.home={home}",
            f"-Dopensearch.path.conf={home}/config",
            "-Dopensearch.distribution.type=tar",
            "-Dopensearch.bundled_jdk=false",
            "-cp",
            f"{self._home}/lib/*",
            "org.opensearch.bootstrap.OpenSearch",
        ]
