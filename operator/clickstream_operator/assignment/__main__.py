"""The controller as a process of its own: `python -m clickstream_operator.assignment --settings FILE`.

The operator runs the same `Controller` for each pipeline; this is for running a pipeline without Kubernetes.
"""

import argparse
import json
import logging
import os
import signal
import sys
import threading
from dataclasses import asdict
from pathlib import Path

from prometheus_client import start_http_server

from clickstream_operator.assignment.clients import Clients
from clickstream_operator.assignment.control_topics.log import ControlReader
from clickstream_operator.assignment.controller import Controller
from clickstream_operator.assignment.errors import PipelineMismatch, Superseded, Unreachable
from clickstream_operator.assignment.options import ControllerOptions, InvalidOptions, read_options
from clickstream_operator.assignment.records import ProtocolTooNew
from clickstream_operator.metrics import LEADER, REGISTRY

log = logging.getLogger("clickstream_operator.assignment")

EXIT_USAGE, EXIT_SUPERSEDED, EXIT_REFUSED = 2, 3, 4
_WATCH_FILE_S = 0.5


def main() -> int:
    """Run until SIGTERM or SIGINT; return the exit status."""
    flags = _parse()
    logging.basicConfig(level=flags.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        options = read_options(flags.settings, flags.secrets)
        if flags.show:
            return _show(options)
        return _run(flags, options)
    except InvalidOptions as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USAGE
    except Superseded as error:
        log.error("%s; this one ends", error)
        return EXIT_SUPERSEDED
    except (PipelineMismatch, ProtocolTooNew) as error:
        log.error("%s", error)
        return EXIT_REFUSED


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m clickstream_operator.assignment",
        description="Decides which pod owns which task of one pipeline, and publishes it (protocol.md).",
        epilog="Exit status: 0 after SIGTERM or SIGINT, 2 wrong settings, 3 another controller has taken "
        "over, 4 the topics belong to another pipeline or a newer version.",
    )
    secrets = os.environ.get("CLICKSTREAM_SECRETS_DIR", "/etc/clickstream/secrets")
    add = parser.add_argument
    add(
        "--settings",
        type=Path,
        required=True,
        metavar="FILE",
        help="the settings; read again when they change",
    )
    add(
        "--secrets",
        type=Path,
        default=Path(secrets),
        metavar="DIR",
        help="files SECRETNAME/KEY (%(default)s)",
    )
    add("--metrics-port", type=int, metavar="PORT", help="tell metrics at http://127.0.0.1:PORT/metrics")
    add("--adopt", action="store_true", help="take the id over from a pipeline of another name that is gone")
    add(
        "--show",
        action="store_true",
        help="print the assignment and the last heartbeats as JSON, change nothing",
    )
    add("--log-level", default="INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"), help="(%(default)s)")
    return parser.parse_args()


def _run(flags: argparse.Namespace, options: ControllerOptions) -> int:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with Clients(options.kafka) as clients:
        handle = clients.start(options, adopt=flags.adopt)
        controller = handle.controller
        if flags.metrics_port:
            LEADER.set_function(lambda: float(controller.snapshot.term > 0))
            start_http_server(flags.metrics_port, "127.0.0.1", REGISTRY)
        watcher = threading.Thread(
            target=_follow, args=(flags, controller, stop), name="settings", daemon=True
        )
        watcher.start()
        while not (stop.is_set() or handle.ended.is_set()):
            handle.ended.wait(_WATCH_FILE_S)
    if handle.error is not None:
        raise handle.error
    log.info("the controller ends; the pods go on")
    return 0


def _follow(flags: argparse.Namespace, controller: Controller, stop: threading.Event) -> None:
    """Hand changed settings to the controller; a file that cannot be used changes nothing."""
    seen = _stamp(flags.settings)
    while not stop.wait(_WATCH_FILE_S):
        stamp = _stamp(flags.settings)
        if stamp == seen:
            continue
        seen = stamp
        try:
            options = read_options(flags.settings, flags.secrets)
        except InvalidOptions as error:
            log.warning("the settings stay as they were: %s", error)
            continue
        controller.update(options)
        log.info(
            "settings read again: %d replicas, %d standbys", options.policy.replicas, options.policy.standbys
        )


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_ino


def _show(options: ControllerOptions) -> int:
    with Clients(options.kafka) as clients:
        reader = ControlReader(clients.topic_reader, options.id)
        try:
            reader.read_to_end(10)
        except Unreachable as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    shown = {
        "term": reader.term,
        "controller": reader.claim.controller if reader.claim else None,
        "tasks": {task: asdict(reader.assignments[task]) for task in sorted(reader.assignments)},
        "pods": {ordinal: asdict(reader.beats[ordinal]) for ordinal in sorted(reader.beats)},
    }
    print(json.dumps(shown, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
