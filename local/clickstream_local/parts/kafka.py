"""Kafka in KRaft mode: one process, or three that replicate each other.

Every process is broker and controller. The jars come from Maven Central; topics are never
created by themselves. `bootstrap` stays the same over stops, kills and restarts.
"""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka.admin import AdminClient

from clickstream_local.machine import maven, tools
from clickstream_local.machine.maven import Say, silent
from clickstream_local.machine.ports import HOST, free_ports
from clickstream_local.machine.process import Process, stop_all

HERE = Path(__file__).parent
LOGGING = f"-Dlog4j2.configurationFile={HERE / 'log4j2.yaml'}"
QUICK = ("-XX:TieredStopAtLevel=1",)  # half the CPU of a start, a third less throughput: for tests


def kafka_jars(say: Say = silent) -> Path:
    """Return the folder with the jars of broker, tools and Connect worker."""
    tools.maven(say)
    return maven.jars("kafka-4.3.1", HERE / "kafka.pom.xml", say=say)


@dataclass(frozen=True, slots=True)
class Node:
    """One broker's identity and ports."""

    number: int
    port: int
    controller_port: int


class Kafka:
    """A cluster of one or three brokers in `folder`."""

    def __init__(
        self,
        folder: Path,
        *,
        brokers: int = 1,
        ports: list[int] | None = None,
        heap_mb: int = 512,
        quick: bool = False,
        properties: dict[str, str] | None = None,
        broker_properties: dict[int, dict[str, str]] | None = None,
        java_options: Sequence[str] = (),
        say: Say = silent,
    ) -> None:
        """`ports`: two a broker (clients, controller), free ones when None.

        `properties` override ours; `broker_properties` are those of one broker, by its number (from 1).
        """
        self._folder = folder
        self._memory = [
            "-Xms64m",
            f"-Xmx{heap_mb}m",
            "-XX:+UseSerialGC",
            *(QUICK if quick else ()),
            *java_options,
        ]
        self._properties = properties or {}
        self._broker_properties = broker_properties or {}
        self._java = tools.java(say=say)
        self._jars = kafka_jars(say)
        ports = ports or free_ports(2 * brokers)
        self.nodes = [Node(i + 1, ports[2 * i], ports[2 * i + 1]) for i in range(brokers)]
        self._processes = {node.number: self._process(node) for node in self.nodes}

    @property
    def bootstrap(self) -> str:
        """Return the bootstrap servers."""
        return ",".join(f"{HOST}:{node.port}" for node in self.nodes)

    @property
    def replicas(self) -> int:
        """Return the replication factor that topics should have here."""
        return len(self.nodes)

    def start(self, node: int | None = None) -> None:
        """Start one broker or all, and wait until the cluster answers."""
        chosen = self._chosen(node)
        self._format(chosen)
        for one in chosen:
            self._processes[one.number].start()
        for one in chosen:
            self._processes[one.number].wait_until(lambda one=one: self._answers(one))  # type: ignore[misc]

    def stop(self, node: int | None = None) -> None:
        """Stop one broker or all in order."""
        stop_all([self._processes[one.number] for one in self._chosen(node)])

    def kill(self, node: int | None = None) -> None:
        """Kill one broker or all, as a crash would."""
        for one in self._chosen(node):
            self._processes[one.number].kill()

    def restart(self, node: int | None = None) -> None:
        """Stop in order and start again."""
        self.stop(node)
        self.start(node)

    def suspend(self, node: int | None = None) -> None:
        """Freeze one broker or all."""
        for one in self._chosen(node):
            self._processes[one.number].suspend()

    def resume(self, node: int | None = None) -> None:
        """Let frozen brokers go on."""
        for one in self._chosen(node):
            self._processes[one.number].resume()

    def is_running(self) -> bool:
        """Tell whether every broker's process lives."""
        return all(process.is_running() for process in self._processes.values())

    def _chosen(self, number: int | None) -> list[Node]:
        return [node for node in self.nodes if number is None or node.number == number]

    def _answers(self, node: Node) -> bool:
        """Tell whether the broker knows a controller and all that were started are in the metadata."""
        client = AdminClient({"bootstrap.servers": f"{HOST}:{node.port}", "log_level": 0}, logger=_QUIET)
        try:
            brokers = client.list_topics(timeout=2).brokers
        except Exception:  # noqa: BLE001 (every error of the client means: not yet)
            return False
        alive = [one.number for one in self.nodes if self._processes[one.number].is_running()]
        return set(alive) <= set(brokers)

    def _process(self, node: Node) -> Process:
        main = ["-cp", f"{self._jars}/*", "kafka.Kafka", str(self._configuration(node))]
        return Process(
            "Kafka" if len(self.nodes) == 1 else f"Kafka broker {node.number}",
            [self._java.program, *self._memory, LOGGING, *main],
            log=self._folder / f"kafka-{node.number}.log",
            stop_timeout_s=20,
        )

    def _configuration(self, node: Node) -> Path:
        return self._folder / f"kafka-{node.number}.properties"

    def _format(self, nodes: list[Node]) -> None:
        """Write the configurations and format the folders of new brokers, with one cluster id."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for node in nodes:
            text = "\n".join(f"{key}={value}" for key, value in self._settings(node).items())
            self._configuration(node).write_text(text + "\n")
            if not (self._data(node) / "meta.properties").exists():
                self._tool("format", "-t", CLUSTER_ID, "-c", str(self._configuration(node)))

    def _tool(self, *arguments: str) -> None:
        memory = ["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", LOGGING]
        command = [
            self._java.program,
            *memory,
            "-cp",
            f"{self._jars}/*",
            "kafka.tools.StorageTool",
            *arguments,
        ]
        subprocess.run(command, check=True, capture_output=True)

    def _data(self, node: Node) -> Path:
        return self._folder / f"kafka-{node.number}"

    def _settings(self, node: Node) -> dict[str, str]:
        replicas = str(len(self.nodes))
        in_sync = str(max(1, len(self.nodes) - 1))
        return {
            "process.roles": "broker,controller",
            "node.id": str(node.number),
            "controller.quorum.voters": ",".join(
                f"{n.number}@{HOST}:{n.controller_port}" for n in self.nodes
            ),
            "listeners": f"PLAINTEXT://{HOST}:{node.port},CONTROLLER://{HOST}:{node.controller_port}",
            "advertised.listeners": f"PLAINTEXT://{HOST}:{node.port}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "log.dirs": str(self._data(node)),
            "auto.create.topics.enable": "false",
            "default.replication.factor": replicas,
            "min.insync.replicas": in_sync,
            "offsets.topic.num.partitions": "5",
            "offsets.topic.replication.factor": replicas,
            "transaction.state.log.num.partitions": "5",
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": in_sync,
            "share.coordinator.state.topic.replication.factor": replicas,
            "share.coordinator.state.topic.min.isr": in_sync,
            "group.initial.rebalance.delay.ms": "0",
            **self._properties,
            **self._broker_properties.get(node.number, {}),
        }


CLUSTER_ID = "Y2xpY2tzdHJlYW0tbG9jYQ"  # any 16 bytes in base64; fixed, so that a second format is the same


class _Quiet:
    """A logger that drops what the client says while the broker starts."""

    def log(self, *_: object) -> None:
        """Drop a line."""


_QUIET = _Quiet()
