"""An erasure of users as a program: what a Job runs.

    python -m clickstream_processor.erasing

Reads the pipeline's settings as pods do, and the erasure from the file that CLICKSTREAM_ERASURE_FILE names.
Its users may be in the file that CLICKSTREAM_ERASURE_USERS_FILE names, one a line, instead. Its receipt is at
GET /progress of the admin port and, at the end, on standard output and in the termination log. Exit status: 0
when it is done, 1 when it failed: the receipt says why, and what to do.
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
from clickstream_processor.erasing.receipt import Receipt
from clickstream_processor.erasing.request import Request, read_request
from clickstream_processor.erasing.run import ErasureRun
from clickstream_processor.errors import InvalidErasure, InvalidSettings, cause_of
from clickstream_processor.faults import NO_FAULTS, Faults
from clickstream_processor.kafka.client import connection
from clickstream_processor.replaying.serving import serve
from clickstream_processor.settings import Settings
from clickstream_processor.stages.listed import stages_of
from clickstream_processor.stages.programs import compile_programs, plan_of

log = logging.getLogger("clickstream_processor.erasing")

TELL_S = 10.0  # between two lines of the log
_ENVIRONMENT = """environment: that of a pod (python -m clickstream_processor --help), but
  CLICKSTREAM_ERASURE_FILE        the erasure, JSON (required)
  CLICKSTREAM_ERASURE_USERS_FILE  its users, one id a line, where the erasure itself names none
  CLICKSTREAM_ORDINAL             part of the names of its Kafka clients, no more (default: 0)
"""


def main(faults: Faults = NO_FAULTS) -> int:
    """Run the erasure; return the exit status."""
    argparse.ArgumentParser(
        prog="python -m clickstream_processor.erasing",
        description="Takes users out of a pipeline: state, changelog, sessions, identities, index.",
        epilog=_ENVIRONMENT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    try:
        settings = settings_file.load({"CLICKSTREAM_ORDINAL": "0"} | dict(os.environ))
        stages = stages_of(settings, plan_of(settings), compile_programs(settings))
        connection(settings, "check")
        request = _request()
    except (InvalidSettings, InvalidErasure) as error:
        what = "wrong settings" if isinstance(error, InvalidSettings) else "wrong erasure"
        print(f"clickstream_processor.erasing: {what}\n{error}", file=sys.stderr)
        _last_word(Receipt("failed", message=f"{what}: {error}"))
        return 1
    logs.setup(settings.pod.log_level, settings.pod.log_format)
    receipt = _run(settings, ErasureRun(settings, stages, request, faults), request)
    _last_word(receipt)
    return 0 if receipt.phase == "done" else 1


def _request() -> Request:
    path = os.environ.get("CLICKSTREAM_ERASURE_FILE", "")
    if not path:
        raise InvalidErasure("CLICKSTREAM_ERASURE_FILE: not set; it names the erasure (JSON)")
    users = os.environ.get("CLICKSTREAM_ERASURE_USERS_FILE", "")
    return read_request(
        _read("CLICKSTREAM_ERASURE_FILE", path),
        _read("CLICKSTREAM_ERASURE_USERS_FILE", users) if users else None,
    )


def _read(variable: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InvalidErasure(f"{variable}: cannot read {path}: {cause_of(error)}") from error


def _run(settings: Settings, run: ErasureRun, request: Request) -> Receipt:
    """Run on a thread, so that signals are heard; tell progress meanwhile."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: run.stop.set())
    try:
        serve(settings.pod.host, settings.pod.admin_port, lambda: run.receipt.encode())
    except OSError as error:
        return Receipt("failed", message=f"cannot serve on port {settings.pod.admin_port}: {cause_of(error)}")
    users, dry_run = len(request.users), request.dry_run
    log.info("erasure %s of %s: %d users, dry run %s", request.name, settings.id, users, dry_run)
    worker = threading.Thread(target=run.run, name="erasure", daemon=True)
    worker.start()
    while worker.is_alive():
        worker.join(TELL_S)
        log.info("%s %s", run.receipt.phase, run.receipt.message)
    return run.receipt


def _last_word(receipt: Receipt) -> None:
    """Leave the receipt: on standard output whole, and for the kubelet where it looks."""
    print(receipt.encode().decode(), flush=True)
    path = Path(os.environ.get("CLICKSTREAM_TERMINATION_LOG", "/dev/termination-log"))
    with contextlib.suppress(OSError):
        if path.is_file():
            path.write_bytes(receipt.last_word())


if __name__ == "__main__":
    sys.exit(main())
