"""A replay of dead letters as a program: what a Job runs.

    python -m clickstream_processor.replaying

Reads the pipeline's settings as pods do, and the replay from the file that CLICKSTREAM_REPLAY_FILE names. Its
report is at GET /progress of the admin port and, at the end, on standard output and in the termination log.
Exit status: 0 when it is done, 1 when it failed: the report says why, and what to do.
"""

import argparse
import contextlib
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from clickstream_processor import logs, settings_file
from clickstream_processor.errors import InvalidReplay, InvalidSettings, cause_of
from clickstream_processor.faults import NO_FAULTS, Faults
from clickstream_processor.kafka.client import connection
from clickstream_processor.replaying.report import Report
from clickstream_processor.replaying.request import Request, read_request
from clickstream_processor.replaying.run import ReplayRun
from clickstream_processor.replaying.serving import serve
from clickstream_processor.settings import Settings
from clickstream_processor.stages.listed import stages_of
from clickstream_processor.stages.programs import compile_programs, plan_of

log = logging.getLogger("clickstream_processor.replaying")

TELL_S = 10.0  # between two lines of the log
_ENVIRONMENT = """environment: that of a pod (python -m clickstream_processor --help), but
  CLICKSTREAM_REPLAY_FILE   the replay, JSON (required)
  CLICKSTREAM_ORDINAL       part of the names of its Kafka clients, no more (default: 0)
"""


def main(faults: Faults = NO_FAULTS) -> int:
    """Run the replay; return the exit status."""
    argparse.ArgumentParser(
        prog="python -m clickstream_processor.replaying",
        description="Sends dead letters of a pipeline to its clicks topic once more.",
        epilog=_ENVIRONMENT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    try:
        settings = settings_file.load({"CLICKSTREAM_ORDINAL": "0"} | dict(os.environ))
        stages = stages_of(settings, plan_of(settings), compile_programs(settings))
        connection(settings, "check")
        request = _request()
    except (InvalidSettings, InvalidReplay) as error:
        what = "wrong settings" if isinstance(error, InvalidSettings) else "wrong replay"
        print(f"clickstream_processor.replaying: {what}\n{error}", file=sys.stderr)
        _last_word(Report("failed", message=f"{what}: {error}"))
        return 1
    logs.setup(settings.pod.log_level, settings.pod.log_format)
    report = _run(settings, ReplayRun(settings, stages, request, faults), request)
    _last_word(report)
    return 0 if report.phase == "done" else 1


def _request() -> Request:
    path = os.environ.get("CLICKSTREAM_REPLAY_FILE", "")
    if not path:
        raise InvalidReplay("CLICKSTREAM_REPLAY_FILE: not set; it names the replay (JSON)")
    try:
        document = Path(path).read_bytes()
    except OSError as error:
        raise InvalidReplay(f"CLICKSTREAM_REPLAY_FILE: cannot read {path}: {cause_of(error)}") from error
    return read_request(document)


def _run(settings: Settings, run: ReplayRun, request: Request) -> Report:
    """Run on a thread, so that signals are heard; tell progress meanwhile."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: run.stop.set())
    try:
        serve(settings.pod.host, settings.pod.admin_port, lambda: run.report.encode())
    except OSError as error:
        return Report("failed", message=f"cannot serve on port {settings.pod.admin_port}: {cause_of(error)}")
    log.info("replay %s of %s: dry run %s", request.name, settings.id, request.dry_run)
    worker = threading.Thread(target=run.run, name="replay", daemon=True)
    worker.start()
    while worker.is_alive():
        worker.join(TELL_S)
        said = run.report
        numbers = said.scanned, said.total, said.matched, said.replayed, said.skipped
        log.info(
            "%s: %d of %d offsets, %d matched, %d replayed, %d skipped %s", said.phase, *numbers, said.message
        )
    return run.report


def _last_word(report: Report) -> None:
    """Leave the report: on standard output whole, and for the kubelet where it looks."""
    print(report.encode().decode(), flush=True)
    path = Path(os.environ.get("CLICKSTREAM_TERMINATION_LOG", "/dev/termination-log"))
    with contextlib.suppress(OSError):
        if path.is_file():
            path.write_bytes(report.last_word())


if __name__ == "__main__":
    sys.exit(main())
