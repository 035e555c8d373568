"""How this operator is installed: the only reader of the environment."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from clickstream_operator.manifests.platform import Platform


class InvalidSettings(Exception):
    """The environment is wrong. Say so and end: a restart changes nothing."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One variable, for the help text and the documentation."""

    name: str
    default: str
    meaning: str


SETTINGS = (
    Setting("CLICKSTREAM_COLLECTOR_IMAGE", "", "Image of the collector pods; without it none is run."),
    Setting("CLICKSTREAM_PROCESSOR_IMAGE", "", "Image of the processor pods, with tag or digest. Required."),
    Setting("CLICKSTREAM_IMAGE_PULL_POLICY", "IfNotPresent", "Pull policy of that image."),
    Setting("CLICKSTREAM_IMAGE_PULL_SECRETS", "", "Pull secrets of that image, separated by commas."),
    Setting("CLICKSTREAM_NAMESPACES", "", "Namespaces to serve, separated by commas. Empty: all."),
    Setting("CLICKSTREAM_OPERATOR_NAMESPACE", "clickstream", "Where the operator and its Lease live."),
    Setting("CLICKSTREAM_PIPELINES_FILE", "", "JSON of name and spec: pipelines to make in that namespace."),
    Setting("CLICKSTREAM_METRICS_NAMESPACES", "monitoring", "Namespaces that may scrape the processor pods."),
    Setting("CLICKSTREAM_LEASE", "clickstream-operator", "Name of the Lease for which replicas compete."),
    Setting("CLICKSTREAM_IDENTITY", "host name", "This replica's name in the Lease."),
    Setting("CLICKSTREAM_RESYNC_SECONDS", "60", "Each pipeline is looked at this often, whatever happens."),
    Setting("CLICKSTREAM_WORKERS", "8", "Pipelines reconciled at the same time."),
    Setting("CLICKSTREAM_CONTROLLERS", "on", "Whether this operator assigns the tasks: on or off."),
    Setting("CLICKSTREAM_SLOT_SETTLE_SECONDS", "15", "Time for a source to heed that it drops its slot."),
    Setting("CLICKSTREAM_ROLLOUT_DEADLINE_SECONDS", "300", "Time for a new template's pod to become ready."),
    Setting("CLICKSTREAM_LOST_SECONDS", "300", "Time after which a pod without a node is said to be lost."),
    Setting("CLICKSTREAM_SOURCE_LOOK_SECONDS", "60", "How often a source database is looked at; 0: never."),
    Setting("CLICKSTREAM_HTTP_HOST", "0.0.0.0", "Address of /livez, /readyz and /metrics."),  # noqa: S104
    Setting("CLICKSTREAM_HTTP_PORT", "8080", "Port of /livez, /readyz and /metrics."),
    Setting("CLICKSTREAM_POD_URL", "", "Admin URL of a pod instead of its cluster name, with {namespace}, "
            "{name} and {ordinal}; for operators outside the cluster. The pod of a replay or an "
            "erasure has its name, and the ordinal `replay` or `erasure`."),
    Setting("CLICKSTREAM_PROCESSOR_LOG_LEVEL", "INFO", "Log level of the processor pods."),
    Setting("CLICKSTREAM_LOG_LEVEL", "INFO", "Log level of the operator."),
    Setting("CLICKSTREAM_LOG_FORMAT", "text", "text or json."),
)  # fmt: skip


_CHOICES = {
    "LOG_FORMAT": ("text", "json"),
    "LOG_LEVEL": ("DEBUG", "INFO", "WARNING", "ERROR"),
    "CONTROLLERS": ("on", "off"),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """The installation, as one value."""

    platform: Platform
    namespaces: tuple[str, ...]  # empty: all
    operator_namespace: str
    pipelines_file: str  # empty: none are given
    lease: str
    identity: str
    resync_s: float
    workers: int
    controllers: bool
    slot_settle_s: float
    rollout_deadline_s: float
    lost_s: float
    source_look_s: float  # 0: sources are not looked at
    http_host: str
    http_port: int
    pod_url: str
    log_level: str
    log_format: str


def read_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings. Raises InvalidSettings with every problem."""
    problems: list[str] = []
    given = {s.name.removeprefix("CLICKSTREAM_"): environ.get(s.name) or s.default for s in SETTINGS}
    if not given["PROCESSOR_IMAGE"]:
        problems.append("CLICKSTREAM_PROCESSOR_IMAGE: is required: the image of the processor pods")
    problems += [
        f"CLICKSTREAM_{name}: {given[name]}: must be a whole number above 0"
        for name in (
            "RESYNC_SECONDS",
            "WORKERS",
            "SLOT_SETTLE_SECONDS",
            "ROLLOUT_DEADLINE_SECONDS",
            "LOST_SECONDS",
            "HTTP_PORT",
        )
        if not given[name].isdigit() or int(given[name]) < 1
    ]
    if not given["SOURCE_LOOK_SECONDS"].isdigit():
        look = given["SOURCE_LOOK_SECONDS"]
        problems.append(f"CLICKSTREAM_SOURCE_LOOK_SECONDS: {look}: must be a whole number, 0 for never")
    problems += [
        f"CLICKSTREAM_{name}: {given[name]}: must be one of {', '.join(allowed)}"
        for name, allowed in _CHOICES.items()
        if given[name] not in allowed
    ]
    if problems:
        raise InvalidSettings("\n".join(problems))
    return Settings(
        platform=Platform(
            processor_image=given["PROCESSOR_IMAGE"],
            image_pull_policy=given["IMAGE_PULL_POLICY"],
            image_pull_secrets=_listed(given["IMAGE_PULL_SECRETS"]),
            operator_namespace=given["OPERATOR_NAMESPACE"],
            metrics_namespaces=_listed(given["METRICS_NAMESPACES"]),
            log_level=given["PROCESSOR_LOG_LEVEL"],
            collector_image=given["COLLECTOR_IMAGE"],
        ),
        namespaces=_listed(given["NAMESPACES"]),
        operator_namespace=given["OPERATOR_NAMESPACE"],
        pipelines_file=given["PIPELINES_FILE"],
        lease=given["LEASE"],
        identity=environ.get("CLICKSTREAM_IDENTITY") or f"{socket.gethostname()}-{os.getpid()}",
        resync_s=float(given["RESYNC_SECONDS"]),
        workers=int(given["WORKERS"]),
        controllers=given["CONTROLLERS"] == "on",
        slot_settle_s=float(given["SLOT_SETTLE_SECONDS"]),
        rollout_deadline_s=float(given["ROLLOUT_DEADLINE_SECONDS"]),
        lost_s=float(given["LOST_SECONDS"]),
        source_look_s=float(given["SOURCE_LOOK_SECONDS"]),
        http_host=given["HTTP_HOST"],
        http_port=int(given["HTTP_PORT"]),
        pod_url=given["POD_URL"],
        log_level=given["LOG_LEVEL"],
        log_format=given["LOG_FORMAT"],
    )


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
