"""A pipeline of real processes for the fault suite: pods and controllers on a Kafka that is given.

Knows the product only from outside: its commands, settings file, topics and HTTP ports.
"""

import json
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clickstream_local.machine.ports import HOST, free_row
from clickstream_local.machine.process import Process, stop_all
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from clickstream_chaos.load.odd import BLOWN
from clickstream_chaos.waiting import eventually

# What odd records need: an expression that reads a field of any shape, and one that makes a click large.
TRANSFORM = {
    "channel": 'has(click.channel) ? click.channel : "web"',
    "blown": f'has(click.blow) ? {" + ".join(["click.blow"] * BLOWN)} : ""',
}
ADDED = {"channel": "web", "blown": ""}  # what it makes of the load's clicks
# A metric whose keys lie across all partitions: every click that comes out counts, but for odd ones.
ACTIONS = {
    "name": "actions",
    "where": '!click.user_id.startsWith("odd-")',
    "by": {"action": "click.action"},
    "count": {},
    "window": {"size": "60s", "grace": "24h", "retention": "24h"},
}
# The load's record times run six times as fast as the clock; what comes again comes within seconds.
DEDUP = {"key": "click.message_id", "for": "5m"}
WINDOW_MS = 60_000
GRACE_MS = 10_000


@dataclass(slots=True)
class Shape:
    """What the pipeline is like."""

    partitions: int = 6
    pods: int = 3
    standbys: int = 1
    failover_after: str = "3s"
    replication: int = 1
    commit_interval: str = "100ms"
    partitioner: str = "murmur2"
    answers_lost: bool = False  # clicks come twice: dedup is on

    @property
    def stages(self) -> tuple[str, ...]:
        """Return the stages that have tasks."""
        return (*(("arrivals",) if self.partitioner == "any" else ()), "clicks", "metrics")


@dataclass
class Pipeline:
    """One pipeline in `folder`. Pods are started one by one: `pod(0).start()`."""

    folder: Path
    bootstrap: str
    name: str
    shape: Shape = field(default_factory=Shape)
    room: int = 5  # ordinals that have ports
    pod_bootstraps: dict[int, str] = field(default_factory=dict)  # pods behind a proxy
    environment: dict[str, str] = field(default_factory=dict)  # of every pod

    def __post_init__(self) -> None:
        """Choose ports and write the settings."""
        self.id = f"chaos.{self.name}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.query_port, self.admin_port = free_row(self.room), 0
        self.admin_port = free_row(self.room)
        secret = self.folder / "secrets" / f"{self.name}-peer-key"
        secret.mkdir(parents=True, exist_ok=True)
        (secret / "key").write_text("a key of the fault suite alone")
        self._pods: dict[int, Process] = {}
        self._controllers: dict[int, Process] = {}
        self.write_settings()

    # --- topics -----------------------------------------------------------------------------------------

    def topic(self, purpose: str) -> str:
        """Return a topic of this pipeline; none is shared, so several may run on one Kafka."""
        return f"{self.id}-{purpose}"

    def create_topics(self, options: Mapping[str, Mapping[str, str]] | None = None) -> None:
        """Create all topics of the pipeline; `options`: further ones of some topics."""
        compact = {"cleanup.policy": "compact"}
        small = {**compact, "min.cleanable.dirty.ratio": "0.1", "segment.bytes": str(16 << 20)}
        old = {"message.timestamp.after.max.ms": str(2**63 - 1), "retention.ms": "-1"}
        many: dict[str, dict[str, str]] = {
            "clicks": old,
            "profiles": compact,
            "enriched": old,
            "metrics": old,
            "actions": old,
            "sessions": old,
            "partials": old,
            "metrics-changelog": {"cleanup.policy": "compact,delete", "retention.ms": "604800000"},
            "dead": old,
            "positions": small,
            "changelog": {"cleanup.policy": "compact,delete", "retention.ms": str(11 * 86_400_000)},
        }
        if self.shape.partitioner == "any":
            many["arrivals"] = old
        for name, more in (options or {}).items():
            many[name] |= more
        single = {"assignment": small, "acks": small, "notifications": {"retention.ms": "-1"}}
        new = [
            NewTopic(self.topic(name), partitions, replication_factor=self.shape.replication, config=config)
            for partitions, topics in ((self.shape.partitions, many), (1, single))
            for name, config in topics.items()
        ]
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        for future in admin.create_topics(new).values():
            future.result(60)

    # --- settings ---------------------------------------------------------------------------------------

    def write_settings(self) -> None:
        """Write the settings for the controller, and for each pod with its own way to the brokers."""
        self._write(self.folder / "settings.json", self.bootstrap)
        for ordinal in range(self.room):
            self._write(
                self.folder / f"settings-{ordinal}.json", self.pod_bootstraps.get(ordinal, self.bootstrap)
            )

    def scale(self, pods: int) -> None:
        """Ask the controller for another number of pods; it reads the file again."""
        self.shape.pods = pods
        self.write_settings()

    def _write(self, file: Path, bootstrap: str) -> None:
        shape = self.shape
        document = {
            "settingsVersion": 4,
            "name": self.name,
            "namespace": "chaos",
            "id": self.id,
            "kafka": {"bootstrapServers": bootstrap},
            "topics": {
                "partitions": shape.partitions,
                "partitioner": shape.partitioner,
                "clicks": self.topic("clicks"),
                "profiles": self.topic("profiles"),
                "enriched": self.topic("enriched"),
                "metrics": self.topic("metrics"),
                "deadLetters": self.topic("dead"),
            },
            "processing": {
                "filter": 'click.action != "heartbeat"',
                "transform": {"set": TRANSFORM},
                "join": {"type": "inner", "waitForSnapshot": False},
                "window": {"size": f"{WINDOW_MS // 1000}s", "grace": f"{GRACE_MS}ms", "retention": "24h"},
                "metrics": [ACTIONS | {"topic": self.topic("actions")}],
                # All clicks of a user are one session: none closes while a run lasts.
                "sessions": {"gap": "24h", "grace": "24h", "topic": self.topic("sessions")},
                "commitInterval": shape.commit_interval,
                **({"dedup": DEDUP} if shape.answers_lost else {}),
            },
            "sink": {},
            "processors": {
                "replicas": shape.pods,
                "standbys": shape.standbys,
                "failoverAfter": shape.failover_after,
                "resources": {"limits": {"memory": "512Mi"}},
            },
            "query": {"port": self.query_port},
            "peers": {"host": HOST, "port": self.admin_port, "portStep": 1},
        }
        scratch = file.with_suffix(".new")
        scratch.write_text(json.dumps(document, indent=2))
        scratch.replace(file)

    # --- processes --------------------------------------------------------------------------------------

    def pod(self, ordinal: int) -> Process:
        """Return a pod's process, started or not."""
        if ordinal not in self._pods:
            self._pods[ordinal] = self.make_pod(ordinal)
        return self._pods[ordinal]

    def make_pod(
        self, ordinal: int, label: str = "", environment: Mapping[str, str] | None = None
    ) -> Process:
        """Return another process of an ordinal: `label` gives it a data directory and ports of its own."""
        query, admin = self.query_port + ordinal, self.admin_port + ordinal
        if label:
            query, admin = free_row(1), free_row(1)
        return Process(
            f"pod {ordinal}{label}",
            [sys.executable, "-m", "clickstream_local.testing.faulty_pod"],
            log=self.folder / f"pod-{ordinal}{label}.log",
            environment={
                "CLICKSTREAM_SETTINGS": str(self.folder / f"settings-{ordinal}.json"),
                "CLICKSTREAM_SECRETS_DIR": str(self.folder / "secrets"),
                "CLICKSTREAM_DATA_DIR": str(self.data(ordinal, label)),
                "CLICKSTREAM_ORDINAL": str(ordinal),
                "CLICKSTREAM_HOST": HOST,
                "CLICKSTREAM_QUERY_PORT": str(query),
                "CLICKSTREAM_ADMIN_PORT": str(admin),
                "CLICKSTREAM_ASSIGNMENT": "control",
                **self.environment,
                **(environment or {}),
            },
            stop_timeout_s=15,
        )

    def restart_pod(self, ordinal: int, environment: Mapping[str, str] | None = None) -> Process:
        """Start a pod again, perhaps with other environment variables."""
        self.pod(ordinal).kill()
        self._pods[ordinal] = self.make_pod(ordinal, environment=environment)
        self._pods[ordinal].start()
        return self._pods[ordinal]

    def data(self, ordinal: int, label: str = "") -> Path:
        """Return the data directory of a pod."""
        return self.folder / f"pod-{ordinal}{label}"

    def controller(self, number: int = 0) -> Process:
        """Return a controller's process, started or not; a second one takes over from the first."""
        if number not in self._controllers:
            self._controllers[number] = Process(
                f"controller {number}",
                [
                    *(sys.executable, "-m", "clickstream_operator.assignment"),
                    *("--settings", str(self.folder / "settings.json")),
                    *("--secrets", str(self.folder / "secrets")),
                ],
                log=self.folder / f"controller-{number}.log",
                stop_timeout_s=15,
            )
        return self._controllers[number]

    def erasure(self, number: int, users: Sequence[str]) -> Process:
        """Return the program that erases users, not started."""
        folder = self.folder / "erasures"
        folder.mkdir(exist_ok=True)
        file = folder / f"{number}.json"
        file.write_text(json.dumps({"version": 1, "name": f"erasure-{number}", "users": list(users)}))
        return Process(
            f"erasure {number}",
            [sys.executable, "-m", "clickstream_processor.erasing"],
            log=folder / f"{number}.log",
            environment={
                "CLICKSTREAM_SETTINGS": str(self.folder / "settings.json"),
                "CLICKSTREAM_SECRETS_DIR": str(self.folder / "secrets"),
                "CLICKSTREAM_HOST": HOST,
                "CLICKSTREAM_ADMIN_PORT": str(free_row(1)),
                "CLICKSTREAM_ERASURE_FILE": str(file),
            },
            stop_timeout_s=15,
        )

    def running(self) -> list[int]:
        """Return the pods whose processes live."""
        return [ordinal for ordinal, process in list(self._pods.items()) if process.is_running()]

    def controllers(self) -> list[int]:
        """Return the numbers of the controllers that were ever started."""
        return list(self._controllers)

    def start(self) -> None:
        """Create the topics, start a controller and all pods, and wait until every task runs."""
        self.create_topics()
        self.controller().start()
        for ordinal in range(self.shape.pods):
            self.pod(ordinal).start()
        self.wait_until_running()

    def stop(self) -> None:
        """Stop everything."""
        stop_all([*self._pods.values(), *self._controllers.values()])

    # --- what it says of itself -------------------------------------------------------------------------

    def status(self, ordinal: int) -> dict[str, Any]:
        """Return a pod's /status; empty while it does not answer."""
        key = (self.folder / "secrets" / f"{self.name}-peer-key" / "key").read_text()
        url = f"http://{HOST}:{self.admin_port + ordinal}/status"
        asked = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})
        try:
            with urllib.request.urlopen(asked, timeout=1) as answer:  # noqa: S310
                return dict(json.load(answer))
        except (OSError, ValueError):
            return {}

    def owners(self) -> dict[int, int]:
        """Return partition -> pod of the clicks tasks that run as owners now, asked of all that live."""
        return {
            int(name.removeprefix("clicks-")): ordinal
            for ordinal, process in self._pods.items()
            if process.is_running()
            for name, task in self.status(ordinal).get("tasks", {}).items()
            if name.startswith("clicks-") and task["role"] == "owner" and task["phase"] == "running"
        }

    def runs(self, ordinal: int) -> int:
        """Return how many clicks tasks a pod runs as owner."""
        tasks = self.status(ordinal).get("tasks", {})
        return sum(
            name.startswith("clicks-") and task["role"] == "owner" and task["phase"] == "running"
            for name, task in tasks.items()
        )

    def caught_up(self, ordinal: int) -> bool:
        """Tell whether a pod's tasks all run, as owners or as standbys that lag nothing behind."""
        tasks = self.status(ordinal).get("tasks")
        return tasks is not None and all(
            task["phase"] == "running" and task.get("lag_records") == 0 for task in tasks.values()
        )

    def wait_until_running(self, timeout_s: float = 60.0) -> None:
        """Wait until every task has a running owner."""
        eventually(
            "every task has a running owner",
            lambda: self._running_tasks() == len(self.shape.stages) * self.shape.partitions,
            timeout_s,
        )

    def _running_tasks(self) -> int:
        """Return how many tasks have a running owner."""
        return len(
            {
                name
                for ordinal, process in self._pods.items()
                if process.is_running()
                for name, task in self.status(ordinal).get("tasks", {}).items()
                if task["role"] == "owner" and task["phase"] == "running"
            }
        )
