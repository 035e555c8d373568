"""A distributed Kafka Connect worker with Debezium's PostgreSQL source and our search sink."""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from clickstream_local.errors import CannotStart, DeadlinePassed, PartFailed
from clickstream_local.machine import maven, tools
from clickstream_local.machine.maven import Say, silent
from clickstream_local.machine.ports import HOST, free_port
from clickstream_local.machine.process import START_TIMEOUT_S, Process
from clickstream_local.machine.web import request
from clickstream_local.parts.kafka import HERE, LOGGING, QUICK, Kafka, kafka_jars
from clickstream_local.parts.part import Part

# What the worker has itself must not be in a plugin's folder a second time.
IN_THE_WORKER = (
    "org.apache.kafka",
    "org.slf4j",
    "org.apache.logging.log4j",
    "com.github.luben",
    "org.lz4",
    "at.yawk.lz4",
    "org.xerial.snappy",
)
DIRECTORY_PROVIDER = "org.apache.kafka.common.config.provider.DirectoryConfigProvider"
REPOSITORY = Path(__file__).parents[3]
SINK = REPOSITORY / "connect" / "target" / "plugin" / "clickstream-connect"
METRICS = REPOSITORY / "connect" / "metrics.yaml"


def debezium(say: Say = silent) -> Path:
    """Return the folder with the source connector's jars."""
    tools.maven(say)
    return maven.jars("debezium-3.7.0", HERE / "debezium.pom.xml", exclude_groups=IN_THE_WORKER, say=say)


def file_connectors(say: Say = silent) -> list[Path]:
    """Return the jar of Kafka's own connectors, which read and write files."""
    tools.maven(say)
    folder = maven.jars("connect-file-4.3.1", HERE / "connect-file.pom.xml", say=say)
    return sorted(folder.glob("connect-file-*.jar"))  # the worker has the rest


def jmx_exporter(say: Say = silent) -> Path:
    """Return the Java agent that tells the worker's metrics to Prometheus."""
    tools.maven(say)
    (agent,) = maven.jars("jmx-exporter-1.0.1", HERE / "jmx-exporter.pom.xml", say=say).glob("*.jar")
    return agent


def sink_jars() -> list[Path]:
    """Return our own sink's jars; raises CannotStart when it was not built."""
    jars = sorted(SINK.glob("*.jar"))
    if not jars:
        raise CannotStart("the search sink is not built: run scripts/build-connect")
    return jars


def build_sink(say: Say = silent) -> None:
    """Build our own sink, without its tests, unless its sources are unchanged. Raises CannotStart."""
    java = tools.java(say=say)
    tools.maven(say)
    command = [str(REPOSITORY / "scripts" / "build-connect"), "--quick"]
    environment = {**os.environ, "JAVA_HOME": str(java.home)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as build:
        lines: list[str] = []
        for line in build.stderr or ():
            if not lines:
                say(line.strip())
            lines.append(line)
    if build.returncode != 0:
        raise CannotStart(f"the search sink could not be built:\n{''.join(lines)[-2000:]}")


class Connect(Part):
    """One worker in `folder`. Connectors are put by their configuration, as Strimzi's operator does it."""

    def __init__(
        self,
        folder: Path,
        kafka: Kafka,
        *,
        port: int | None = None,
        metrics_port: int | None = None,
        secrets: Path | None = None,
        quick: bool = False,
        properties: dict[str, str] | None = None,
        plugins: Mapping[str, Sequence[Path]] | None = None,
        say: Say = silent,
    ) -> None:
        """`folder`: its name is the name of the Connect cluster that the worker is alone in.

        `secrets`: the folder of NAME/KEY files that `${secrets:<secrets>/NAME:KEY}` may name.

        `metrics_port`: where Prometheus may scrape the worker; None: nowhere. `plugins`: other
        plugins' jars, by the name of a folder.
        """
        self.port = port or free_port()
        self.url = f"http://{HOST}:{self.port}"
        self.secrets = secrets or folder / "secrets"
        self._folder = folder
        self._kafka = kafka
        self._properties, self._plugins = properties or {}, plugins or {}
        self._debezium = debezium(say)
        java = tools.java(say=say)
        memory = ["-Xms64m", "-Xmx768m", "-XX:+UseSerialGC", *(QUICK if quick else ())]
        agent = [f"-javaagent:{jmx_exporter(say)}={HOST}:{metrics_port}:{METRICS}"] if metrics_port else []
        main = ["-cp", f"{kafka_jars(say)}/*", "org.apache.kafka.connect.cli.ConnectDistributed"]
        self._process = Process(
            "Kafka Connect",
            [java.program, *memory, *agent, LOGGING, *main, str(folder / "connect.properties")],
            log=folder / "connect.log",
            stop_timeout_s=20,
        )

    def _is_ready(self) -> bool:
        """Tell whether the worker's REST interface knows the cluster."""
        return request("GET", f"{self.url}/connectors").ok

    def put(self, name: str, configuration: dict[str, str]) -> None:
        """Create or change a connector. Raises PartFailed with what Connect says against it."""
        answer = request("PUT", f"{self._of(name)}/config", configuration, timeout_s=60)
        if not answer.ok:
            raise PartFailed(
                f"connector {name}", "was refused", self._process.log, answer.body.decode(errors="replace")
            )

    def delete(self, name: str) -> None:
        """Remove a connector."""
        request("DELETE", self._of(name), timeout_s=60)

    def restart_tasks(self, name: str) -> None:
        """Let the connector and every task of it begin again."""
        request("POST", f"{self._of(name)}/restart?includeTasks=true&onlyFailed=false", timeout_s=60)

    def status(self, name: str) -> dict[str, Any]:
        """Return Connect's own status of a connector, {} when it has none."""
        answer = request("GET", f"{self._of(name)}/status")
        return dict(answer.json()) if answer.ok else {}

    def wait_until_running(self, name: str, timeout_s: float = START_TIMEOUT_S) -> None:
        """Wait until the connector and at least one task run. Raises PartFailed with a failed one's trace."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if not self.is_running():
                raise PartFailed("Kafka Connect", "ended", self._process.log, self._process.tail())
            status = self.status(name)
            parts = [status.get("connector", {}), *status.get("tasks", [])]
            for part in parts:
                if part.get("state") == "FAILED":
                    raise PartFailed(f"connector {name}", "failed", self._process.log, part.get("trace", ""))
            if len(parts) > 1 and all(part.get("state") == "RUNNING" for part in parts):
                return
            time.sleep(0.2)
        raise DeadlinePassed(
            f"connector {name} does not run after {timeout_s:.0f} s; see {self._process.log}"
        )

    def _of(self, name: str) -> str:
        return f"{self.url}/connectors/{quote(name, safe='')}"

    def _prepare(self) -> None:
        """Write the configuration, and the folder of plugins: one sub-folder each, with links to the jars."""
        plugins = self._folder / "plugins"
        self.secrets.mkdir(parents=True, exist_ok=True)
        _link(plugins / "debezium-postgres", sorted(self._debezium.glob("*.jar")))
        _link(plugins / "clickstream-search", sink_jars())
        for name, jars in self._plugins.items():
            _link(plugins / name, list(jars))
        text = "\n".join(f"{key}={value}" for key, value in self._settings(plugins).items())
        (self._folder / "connect.properties").write_text(text + "\n")

    def _settings(self, plugins: Path) -> dict[str, str]:
        replicas = str(self._kafka.replicas)
        # Two workers of one group share their connectors, and one is asked for what only the other can load.
        group = self._folder.name
        return {
            "bootstrap.servers": self._kafka.bootstrap,
            "group.id": group,
            "config.storage.topic": f"{group}-configs",
            "offset.storage.topic": f"{group}-offsets",
            "status.storage.topic": f"{group}-status",
            "config.storage.replication.factor": replicas,
            "offset.storage.replication.factor": replicas,
            "status.storage.replication.factor": replicas,
            "offset.storage.partitions": "5",
            "key.converter": "org.apache.kafka.connect.storage.StringConverter",
            "value.converter": "org.apache.kafka.connect.json.JsonConverter",
            "value.converter.schemas.enable": "false",
            "exactly.once.source.support": "enabled",
            "connector.client.config.override.policy": "All",
            "config.providers": "secrets",
            "config.providers.secrets.class": DIRECTORY_PROVIDER,
            "config.providers.secrets.param.allowed.paths": str(self.secrets),
            "listeners": f"http://{HOST}:{self.port}",
            "rest.advertised.host.name": HOST,
            "plugin.path": str(plugins),
            "plugin.discovery": "service_load",  # all have manifests; a scan takes 10 CPU seconds
            # There is no other worker to wait for when this one has lost its tasks (default: 5 minutes).
            "scheduled.rebalance.max.delay.ms": "0",
            "offset.flush.interval.ms": "5000",
            "topic.creation.enable": "false",
            **self._properties,
        }


def _link(folder: Path, jars: list[Path]) -> None:
    """Make `folder` hold exactly links to `jars`; an empty list removes it."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for jar in jars:
        (folder / jar.name).symlink_to(jar)
    if not jars:
        folder.rmdir()
