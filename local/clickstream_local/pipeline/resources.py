"""Checks before anything starts: ports, memory, disk. Each refusal is a line that says what to do."""

import shutil
from pathlib import Path

import psutil

from clickstream_local.errors import CannotStart
from clickstream_local.machine.ports import Port, check_free
from clickstream_local.parts.prometheus import find_prometheus
from clickstream_local.pipeline.options import Options, Ports

# Resident after some minutes, in GB: Kafka 0.5, Connect 0.6, search 0.9, a pod 0.25, the rest 0.3.
NEEDED_BYTES = 2_300_000_000
NEEDED_BYTES_PER_POD = 250_000_000
NEEDED_DISK_BYTES = 3_000_000_000


def check(options: Options) -> None:
    """Raise CannotStart when the machine cannot take the run."""
    check_free(wanted_ports(options))
    check_memory(psutil.virtual_memory().available, options.pods)
    check_disk(shutil.disk_usage(_existing(options.data)).free, options.data)


def wanted_ports(options: Options) -> list[Port]:
    """Return the ports of a run, each with the setting that changes it."""
    ports = options.ports
    return [
        Port(ports.kafka, "Kafka", "KAFKA_PORT"),
        Port(ports.kafka_controller, "Kafka's controller", "KAFKA_CONTROLLER_PORT"),
        Port(ports.connect, "Kafka Connect", "CONNECT_PORT"),
        Port(ports.postgres, "PostgreSQL", "POSTGRES_PORT"),
        Port(ports.search, "the search engine", "SEARCH_PORT"),
        Port(ports.collector, "the collector", "COLLECTOR_PORT"),
        Port(ports.collector_admin, "the collector's probes", "COLLECTOR_ADMIN_PORT"),
        *(Port(ports.query + i, f"queries of pod {i}", "QUERY_PORT") for i in range(options.pods)),
        *(Port(ports.admin + i, f"metrics of pod {i}", "ADMIN_PORT") for i in range(options.pods)),
        *(_demo_ports(ports) if options.monitored else ()),
    ]


def _demo_ports(ports: Ports) -> list[Port]:
    exporters = [
        Port(ports.shop, "the shop", "SHOP_PORT"),
        Port(ports.connect_metrics, "metrics of Kafka Connect", "CONNECT_METRICS_PORT"),
        Port(ports.controller_metrics, "metrics of the controller", "CONTROLLER_METRICS_PORT"),
    ]
    server = [Port(ports.prometheus, "Prometheus", "PROMETHEUS_PORT")] if find_prometheus() else []
    return exporters + server


def check_memory(available_bytes: int, pods: int) -> None:
    """Raise CannotStart when the parts do not fit into the memory."""
    needed = NEEDED_BYTES + pods * NEEDED_BYTES_PER_POD
    if available_bytes < needed:
        raise CannotStart(
            f"{available_bytes / 1e9:.1f} GB of memory are free and {needed / 1e9:.1f} GB are needed: "
            "end other programs, or start fewer pods (PODS=1)"
        )


def check_disk(free_bytes: int, folder: Path) -> None:
    """Raise CannotStart when the disk is too full."""
    if free_bytes < NEEDED_DISK_BYTES:
        raise CannotStart(
            f"{free_bytes / 1e9:.1f} GB are free on the disk of {folder} and "
            f"{NEEDED_DISK_BYTES / 1e9:.0f} GB are needed: make room, or name another folder with --data"
        )


def _existing(folder: Path) -> Path:
    return folder if folder.exists() else _existing(folder.parent)
