"""An erasure of users as a program: what a Job runs.

    python -m clickstream_processor.erasing

Reads the pipeline's settings as pods do, and the erasure from the file that CLICKSTREAM_ERASURE_FILE names.
Its users may be in the file that CLICKSTREAM_ERASURE_USERS_FILE names, one a line, instead. Its receipt is at
GET /progress of the admin port and, at the end, on standard output and in the termination log. Exit status: 0
when it is done, 1 when it failed: the receipt says why, and what to do.
"""

import os
import sys

from clickstream_processor.erasing.receipt import Receipt
from clickstream_processor.erasing.request import Request, read_request
from clickstream_processor.erasing.run import ErasureRun
from clickstream_processor.errors import InvalidErasure
from clickstream_processor.faults import NO_FAULTS, Faults
from clickstream_processor.jobs.job import Job, Work
from clickstream_processor.settings.settings import Settings
from clickstream_processor.stages.stage import Stages

_ENVIRONMENT = """environment: that of a pod (python -m clickstream_processor --help), but
  CLICKSTREAM_ERASURE_FILE        the erasure, JSON (required)
  CLICKSTREAM_ERASURE_USERS_FILE  its users, one id a line, where the erasure itself names none
  CLICKSTREAM_ORDINAL             part of the names of its Kafka clients, no more (default: 0)
"""
_JOB = Job(
    module="clickstream_processor.erasing",
    noun="erasure",
    description="Takes users out of a pipeline: state, changelog, sessions, identities, index.",
    environment=_ENVIRONMENT,
    wrong=InvalidErasure,
    failed=lambda why: Receipt("failed", message=why),
)


def main(faults: Faults = NO_FAULTS) -> int:
    """Run the erasure; return the exit status."""

    def begin(settings: Settings, stages: Stages, request: Request) -> Work[Receipt]:
        run = ErasureRun(settings, stages, request, faults)
        of, users = f"erasure {request.name} of {settings.id}", len(request.users)
        title = f"{of}: {users} users, dry run {request.dry_run}"
        return Work(title, run.run, run.stop, lambda: run.receipt, _line)

    return _JOB.main(_request, begin)


def _request() -> Request:
    document, users = _JOB.read("CLICKSTREAM_ERASURE_FILE"), None
    if os.environ.get("CLICKSTREAM_ERASURE_USERS_FILE"):
        users = _JOB.read("CLICKSTREAM_ERASURE_USERS_FILE")
    return read_request(document, users)


def _line(receipt: Receipt) -> str:
    return f"{receipt.phase} {receipt.message}"


if __name__ == "__main__":
    sys.exit(main())
