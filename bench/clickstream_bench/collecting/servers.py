"""The two servers that are compared, and the load on one of them.

Server and client have a processor each where there are two.
"""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clickstream_local.machine.ports import HOST, free_ports, is_listening
from clickstream_local.machine.process import Process
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from clickstream_bench.collecting.forms import KEY, Form
from clickstream_bench.ground import Ground, when
from clickstream_bench.systems import PROGRAMS, Usage

CLICKS, LETTERS, IDENTITIES = "collected", "collected-letters", "collected-identities"
TOPICS = (CLICKS, LETTERS, IDENTITIES)
PARTITIONS = 6
_PREFIX = "CLICKSTREAM_COLLECTOR_"


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    name: str
    process: Process
    port: int


@dataclass(frozen=True, slots=True)
class Served:
    """What a server did under a load."""

    requests_s: float
    requests_cpu_s: float
    events_s: float
    events_cpu_s: float
    cpu_share: float  # of one core
    p50_ms: float
    p99_ms: float
    max_ms: float
    peak_rss_bytes: int


def collector(here: Ground) -> Server:
    """Start a collector on topics of its own, ready to take events."""
    port, admin_port = free_ports(2)
    keys = here.folder / "keys"
    keys.write_text(f"{KEY} origin=https://shop.example.com\n")
    given = {
        "BOOTSTRAP_SERVERS": here.kafka.bootstrap, "PIPELINE_ID": "bench.collector", "CLICKS_TOPIC": CLICKS,
        "DEAD_LETTERS_TOPIC": LETTERS, "IDENTITIES_TOPIC": IDENTITIES, "HOST": HOST, "PORT": str(port),
        "ADMIN_PORT": str(admin_port), "KEYS_FILE": str(keys),
    }  # fmt: skip
    process = Process(
        "collector",
        [*_pinned(0), sys.executable, "-m", "clickstream_collector"],
        log=here.folder / "collector.log",
        environment={_PREFIX + name: value for name, value in given.items()},
    )
    process.start()
    when(lambda: _is_ready(process, admin_port), "the collector is not ready")
    return Server("collector", process, port)


def bare(here: Ground) -> Server:
    """Start the handler that only reads the body and answers."""
    (port,) = free_ports(1)
    command = [*_pinned(0), sys.executable, str(PROGRAMS / "bare_handler.py"), str(port)]
    process = Process("bare", command, log=here.folder / "bare.log")
    process.start()
    when(lambda: is_listening(port), "the bare handler does not listen")
    return Server("bare", process, port)


def topics(here: Ground) -> None:
    """Make the collector's topics."""
    made = here.kafka
    admin = AdminClient({"bootstrap.servers": made.bootstrap})
    new = [NewTopic(name, num_partitions=PARTITIONS, replication_factor=made.replicas) for name in TOPICS]
    for future in admin.create_topics(new).values():
        future.result(30)


def load(
    server: Server, form: Form, connections: int, seconds: float, run: str, rate: float | None = None
) -> tuple[Served, list[str]]:
    """Put a load on a server; return what it did, and the ids of the events that it answered with success."""
    order = {
        "port": server.port, "path": form.path, "head": form.head, "parts": form.parts, "run": f"{run}-",
        "connections": connections, "seconds": seconds, "rate": rate,
    }  # fmt: skip
    usage = Usage([server.process.pid])
    before_s = usage.cpu_s()
    client = [*_pinned(1), sys.executable, str(PROGRAMS / "collector_load.py")]
    ended = subprocess.run(
        client, input=json.dumps(order), stdout=subprocess.PIPE, text=True, check=True, timeout=seconds + 120
    )
    cpu_s = usage.cpu_s() - before_s
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    if set(found["statuses"]) != {"200"}:
        raise SystemExit(f"{server.name} answered {found['statuses']}; log: {server.process.tail()}")
    return served(found, cpu_s, usage.peak_rss_bytes()), [
        f"{run}-{number:012d}" for number in range(found["events"])
    ]


def served(found: dict[str, Any], cpu_s: float, peak_rss_bytes: int) -> Served:
    """Return the rates of what the client saw, and of the server's processor time."""
    requests, events, seconds = found["requests"], found["events"], found["seconds"]
    return Served(
        requests_s=round(requests / seconds, 1),
        requests_cpu_s=round(requests / cpu_s, 1),
        events_s=round(events / seconds, 1),
        events_cpu_s=round(events / cpu_s, 1),
        cpu_share=round(cpu_s / seconds, 3),
        p50_ms=round(found["p50_ms"], 2),
        p99_ms=round(found["p99_ms"], 2),
        max_ms=round(found["max_ms"], 2),
        peak_rss_bytes=peak_rss_bytes,
    )


def now_iso() -> str:
    """Return the time as SDKs write it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + ".123Z"


def _pinned(number: int) -> list[str]:
    """Return the start of a command on one processor: server and client do not take each other's."""
    allowed = sorted(os.sched_getaffinity(0))
    return (
        ["taskset", "-c", str(allowed[number])]
        if len(allowed) > 1 and Path("/usr/bin/taskset").exists()
        else []
    )


def _is_ready(process: Process, port: int) -> bool:
    if not process.is_running():
        raise SystemExit(f"the collector ended: {process.tail()}")
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/readyz", timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False
