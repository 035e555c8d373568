"""The systems that are compared: how each is started on a set of topics."""

import importlib.metadata
import os
import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import psutil
from clickstream_local.machine.ports import free_row
from clickstream_local.machine.process import Process
from clickstream_local.parts.kafka import Kafka
from clickstream_local.parts.pods import Pods
from clickstream_local.pipeline.reference import Place, create_topics, write_secret, write_settings
from clickstream_operator.manifests.names import names_of
from clickstream_operator.spec.clickpipeline import ClickPipeline, parse
from confluent_kafka import libversion
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from clickstream_bench.traffic import PARTITIONS

PROGRAMS = Path(__file__).resolve().parents[1] / "programs"
ROOT = Path(__file__).resolve().parents[2]
MEMORY_MIB = 2_048  # the limit of every system: each is set up to stay under it, and a peak over it is told
KEEP = {"retention.ms": "-1", "message.timestamp.after.max.ms": str(2**63 - 1)}


@dataclass(frozen=True, slots=True)
class Topics:
    """One run's topics. The inputs may be shared by runs."""

    clicks: str
    profiles: str
    enriched: str
    metrics: str
    partitions: int = PARTITIONS


class System(Protocol):
    """A running or stopped system."""

    name: str

    def start(self) -> None:
        """Start it; it may take its time until it processes."""

    def stop(self) -> None:
        """Stop it in order."""

    def processes(self) -> list[Process]:
        """Return its programs."""

    def pids(self) -> list[int]:
        """Return its processes."""


def create(kafka: Kafka, *names: str, cleanup_policy: str = "delete", partitions: int = PARTITIONS) -> None:
    """Create topics that keep everything, whatever its event time."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 3})
    config = KEEP | {"cleanup.policy": cleanup_policy}
    topics = [NewTopic(name, partitions, replication_factor=1, config=config) for name in names]
    for future in admin.create_topics(topics).values():
        future.result(60)


class Ours:
    """The processor: one pod or more with a static assignment, everything else as by default."""

    name = "clickstream"

    def __init__(
        self,
        kafka: Kafka,
        topics: Topics,
        folder: Path,
        run: str,
        *,
        pods: int = 1,
        memory: str = "1Gi",
        metrics: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """`memory`: the limit of a pod, which its caches follow from. `metrics`: `processing.metrics`."""
        place = Place(
            kafka.bootstrap, 1, "http://127.0.0.1:1", "opensearch", free_row(pods), free_row(pods), pods
        )
        pipeline = parse(pipeline_document(topics, place, run, memory, metrics))
        create_topics(pipeline, kafka.bootstrap)
        self.pods = pods_of(pipeline, place, folder)

    def start(self) -> None:
        self.pods.start()

    def stop(self) -> None:
        self.pods.stop()

    def processes(self) -> list[Process]:
        return [pod.process for pod in self.pods.pods]

    def pids(self) -> list[int]:
        return [process.pid for process in self.processes()]


def pods_of(pipeline: ClickPipeline, place: Place, folder: Path) -> Pods:
    """Return a pipeline's pods in a new folder, with a static assignment; its topics are there."""
    folder.mkdir(parents=True)
    settings, secrets = folder / "settings.json", folder / "secrets"
    write_settings(pipeline, place, settings)
    write_secret(secrets, names_of(pipeline).peer_key, {"key": "bench"})
    return Pods(
        folder,
        settings=settings,
        secrets=secrets,
        count=place.pods,
        query_port=place.query_port,
        admin_port=place.admin_port,
        assignment=f"static:{place.pods}",
    )


def pipeline_document(
    topics: Topics, place: Place, run: str, memory: str, metrics: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the ClickPipeline of a run, as the operator would get it."""
    return {
        "apiVersion": "clickstream.dev/v1alpha1",
        "kind": "ClickPipeline",
        "metadata": {"name": "bench", "namespace": "shop"},
        "spec": {
            "id": run,
            "kafka": {"bootstrapServers": place.bootstrap, "cluster": "events"},
            "connect": {"cluster": "connect"},
            "source": {
                "postgres": {
                    "host": "none",
                    "database": "none",
                    "table": "public.user_profiles",
                    "credentialsSecret": "none",
                }
            },
            "topics": {
                "partitions": topics.partitions,
                "replicas": 1,
                "clicks": topics.clicks,
                "profiles": topics.profiles,
                "enriched": topics.enriched,
                "metrics": topics.metrics,
                "deadLetters": f"{run}-dead-letters",
            },
            "processing": {
                "filter": 'click.action != "heartbeat"',
                "join": {"waitForSnapshot": False},
                "window": {"size": "5m", "grace": "1m"},
                "metrics": list(metrics),
            },
            "sink": {"search": {"url": place.search_url}},
            "processors": {
                "replicas": place.pods,
                "standbys": 0,
                "resources": {"limits": {"memory": memory}},
            },
        },
    }


class Program:
    """A system that is one program."""

    def __init__(
        self, name: str, command: list[str], folder: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        folder.mkdir(parents=True)
        self.name = name
        self.process = Process(name, command, log=folder / "log", environment=environment, stop_timeout_s=30)

    def start(self) -> None:
        self.process.start()

    def stop(self) -> None:
        self.process.stop()

    def processes(self) -> list[Process]:
        return [self.process]

    def pids(self) -> list[int]:
        return [self.process.pid]


@dataclass(slots=True)
class Usage:
    """Processor time and memory of a system's processes."""

    pids: list[int]
    processes: list[psutil.Process] = field(init=False)

    def __post_init__(self) -> None:
        self.processes = [psutil.Process(pid) for pid in self.pids]

    def cpu_s(self) -> float:
        total = 0.0
        for process in self.processes:
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
        return total

    def peak_rss_bytes(self) -> int:
        """Return the high-water mark, summed over the processes."""
        total = 0
        for process in self.processes:
            status = Path(f"/proc/{process.pid}/status").read_text()
            peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
            total += int(peak.split()[1]) * 1_024
        return total


def use_compiled_processor() -> None:
    """Let pods that start from here on be as the image has them: hot modules compiled (ADR 0021)."""
    built = subprocess.run([ROOT / "scripts" / "compiled"], check=True, stdout=subprocess.PIPE, text=True)
    folder = built.stdout.splitlines()[-1]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")]))


def versions() -> dict[str, str]:
    """Return the versions of what is measured."""
    packages = ("confluent-kafka", "rocksdict", "msgspec", "aiohttp", "cel-expr-python")
    quix = (PROGRAMS / "quix-requirements.txt").read_text().split()
    return {
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in packages},
        "librdkafka": libversion()[0],
        "kafka, kafka-streams": "4.3.1",
        "flink": "2.2.1",
        "quix": " ".join(quix),
    }


def machine() -> dict[str, Any]:
    """Describe where it was measured."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "cpus": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "cpu": models[0] if models else "",
        "load_average": os.getloadavg(),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
