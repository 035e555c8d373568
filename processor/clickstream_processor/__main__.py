"""A processor pod: settings, the worker's thread, and the query servers in the main thread's event loop.

    python -m clickstream_processor [--check | --version | --help]

Exit status: 0 after an orderly end, 1 after a failure (a restart recovers), 2 for wrong settings, 3 when
another process runs in this one's place, 70 when a client call hung (see kafka/watchdog.py).
"""

import argparse
import asyncio
import contextlib
import gc
import importlib.metadata
import logging
import os
import signal
import sys
from pathlib import Path

from clickstream_processor import logs, metrics
from clickstream_processor.aggregation.values.sketch import load_library
from clickstream_processor.control.assignment import AssignmentSource, StaticAssignment
from clickstream_processor.control.instance import Instance
from clickstream_processor.control.thread import ControlTopic
from clickstream_processor.directory import Directory, Routes
from clickstream_processor.errors import InvalidSettings, TwinDetected
from clickstream_processor.faults import NO_FAULTS, Faults
from clickstream_processor.kafka.client import connection
from clickstream_processor.kafka.letter_topic import KafkaLetterTopic
from clickstream_processor.processing.worker import Worker
from clickstream_processor.query.api import serve
from clickstream_processor.query.options import options_of
from clickstream_processor.query.service import QueryService
from clickstream_processor.settings import settings_file
from clickstream_processor.settings.settings import Settings
from clickstream_processor.stages.listed import stages_of
from clickstream_processor.stages.programs import Programs, compile_programs, plan_of
from clickstream_processor.stages.stage import Stages
from clickstream_processor.state.memory import MemoryShares, StateMemory, container_limit_bytes
from clickstream_processor.topology import pipeline
from clickstream_processor.topology.plan import Plan

log = logging.getLogger("clickstream_processor")

VERSION = importlib.metadata.version("clickstream-processor")
# Queries share the interpreter with the worker: hand over the lock ten times as often as by default (R11).
SWITCH_INTERVAL_S = 0.0005
# A chunk makes thousands of short-lived objects; collecting after every 700 of them would find nothing.
GC_THRESHOLD = 100_000
LONGEST_WORD = 2_000  # the kubelet takes 4,096 bytes
WORKER_END_S = 7.0  # of the 10 s after SIGTERM; the servers have the rest

_ENVIRONMENT = """environment:
  CLICKSTREAM_SETTINGS      the settings file, JSON (required)
  CLICKSTREAM_ORDINAL       this pod's number (default: the end of the host name)
  CLICKSTREAM_DATA_DIR      the state (default: /var/lib/clickstream)
  CLICKSTREAM_SECRETS_DIR   mounted Secrets, files NAME/KEY (default: /etc/clickstream/secrets)
  CLICKSTREAM_HOST          bind address (default: 0.0.0.0)
  CLICKSTREAM_QUERY_PORT    query API and pages (default: query.port of the settings)
  CLICKSTREAM_ADMIN_PORT    /metrics /healthz /readyz /status (default: 8081)
  CLICKSTREAM_ASSIGNMENT    control, or static:<pods> (default: control)
  CLICKSTREAM_LOG_LEVEL     DEBUG, INFO, WARNING or ERROR (default: INFO)
  CLICKSTREAM_LOG_FORMAT    json or text (default: text)
  CLICKSTREAM_TERMINATION_LOG  where to leave why it ends (default: /dev/termination-log, where there is one)
"""


def main(faults: Faults = NO_FAULTS) -> int:
    """Run the pod; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m clickstream_processor",
        description="A clickstream processor pod: consumes, joins, counts exactly once, answers queries.",
        epilog=_ENVIRONMENT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"clickstream-processor {VERSION}")
    parser.add_argument("--check", action="store_true", help="check settings and secrets, then exit")
    arguments = parser.parse_args()
    try:
        chosen = settings_file.load()
        plan, programs = plan_of(chosen), compile_programs(chosen)
        connection(chosen, "check")
    except InvalidSettings as error:
        print(f"clickstream_processor: wrong settings\n{error}", file=sys.stderr)
        _leave_word(f"wrong settings: {error}")
        return 2
    if arguments.check:
        for path in chosen.ignored:
            print(f"{path}: not known to this version, ignored")
        print(f"settings of {chosen.namespace}/{chosen.name} are valid")
        return 0
    logs.setup(chosen.pod.log_level, chosen.pod.log_format)
    try:
        return _run(chosen, plan, programs, faults)
    except TwinDetected as error:
        log.critical("%s", error)
        return 3


def _leave_word(text: str) -> None:
    """Tell the kubelet why this pod ends, for its status; there is no such file outside of a cluster."""
    path = Path(os.environ.get("CLICKSTREAM_TERMINATION_LOG", "/dev/termination-log"))
    with contextlib.suppress(OSError):
        if path.is_file():
            path.write_text(text[:LONGEST_WORD], encoding="utf-8")


def _run(chosen: Settings, plan: Plan, programs: Programs, faults: Faults) -> int:
    """Start everything, serve until the end, stop everything."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    metrics.BUILD.info({"version": VERSION})
    metrics.PARTITIONS.set(plan.partitions)
    pod = chosen.pod
    line = "interpreted" if (pipeline.__file__ or "").endswith(".py") else "compiled"
    log.info("clickstream-processor %s, pod %d of %s, line %s", VERSION, pod.ordinal, chosen.id, line)
    if chosen.ignored:
        log.warning("settings not known to this version: %s", ", ".join(chosen.ignored))
    instance = Instance(pod.data_dir)
    limit = min(chosen.processors.resources.limits.memory_bytes, container_limit_bytes())
    memory = StateMemory(MemoryShares.of_limit(limit))
    directory = Directory(pod.ordinal, _nobody(plan.partitions))
    directory.instance = instance.id
    stages = stages_of(chosen, plan, programs)
    metrics.PIPELINE_TASKS.set(plan.partitions * len(stages))
    source = _source(chosen, stages, directory, instance, faults)
    worker = Worker(chosen, stages, directory, source, memory, faults)
    if any(metric.kind == "distinct" for metric in programs.metrics):
        load_library()  # or the first sketch stops the worker for a second
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 20, 50)
    worker.start()
    service = QueryService(
        directory,
        options_of(chosen, plan, programs.metrics),
        worker_age_s=worker.age_s,
        letters=KafkaLetterTopic(chosen),
    )
    try:
        asyncio.run(_serve(service, chosen, worker))
    except OSError as error:
        log.critical("cannot serve: %s", error)
        worker.stop()
        worker.ended.wait(WORKER_END_S)
        return 1
    if isinstance(worker.failed, TwinDetected):
        raise worker.failed
    if worker.failed is not None:
        log.critical("ended by a failure: %s", worker.failed)
    if not worker.ended.is_set():
        log.warning("the worker did not end in time; what it had not committed is done again")
        logging.shutdown()
        os._exit(1)
    return 0 if worker.failed is None else 1


def _source(
    chosen: Settings, stages: Stages, directory: Directory, instance: Instance, faults: Faults
) -> AssignmentSource:
    pods = chosen.pod.static_pods
    if pods is not None:
        return StaticAssignment(pods, chosen.topics.partitions, stages)
    control = ControlTopic(chosen, directory, instance, faults, stages)
    control.start()
    return control


async def _serve(service: QueryService, chosen: Settings, worker: Worker) -> None:
    """Serve until a signal comes or the worker has ended; then let the worker end in order."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.stop)
    ending = asyncio.create_task(_end_with(worker, stop))
    pod = chosen.pod
    try:
        await serve(service, pod.host, pod.query_port, pod.admin_port, stop)
    finally:
        ending.cancel()


async def _end_with(worker: Worker, stop: asyncio.Event) -> None:
    """Set `stop` when the worker has ended, or should have."""
    while not worker.ended.is_set() and not worker.stopping.is_set():
        await asyncio.sleep(0.05)
    await asyncio.to_thread(worker.ended.wait, WORKER_END_S)
    stop.set()


def _nobody(partitions: int) -> Routes:
    """Return the routes before anything is known."""
    return Routes(0, (None,) * partitions, ((),) * partitions, None)


if __name__ == "__main__":
    sys.exit(main())
