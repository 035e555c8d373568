"""A replay of dead letters as a program: what a Job runs.

    python -m clickstream_processor.replaying

Reads the pipeline's settings as pods do, and the replay from the file that CLICKSTREAM_REPLAY_FILE names. Its
report is at GET /progress of the admin port and, at the end, on standard output and in the termination log.
Exit status: 0 when it is done, 1 when it failed: the report says why, and what to do.
"""

import sys

from clickstream_processor.errors import InvalidReplay
from clickstream_processor.faults import NO_FAULTS, Faults
from clickstream_processor.jobs.job import Job, Work
from clickstream_processor.replaying.report import Report
from clickstream_processor.replaying.request import Request, read_request
from clickstream_processor.replaying.run import ReplayRun
from clickstream_processor.settings.settings import Settings
from clickstream_processor.stages.stage import Stages

_ENVIRONMENT = """environment: that of a pod (python -m clickstream_processor --help), but
  CLICKSTREAM_REPLAY_FILE   the replay, JSON (required)
  CLICKSTREAM_ORDINAL       part of the names of its Kafka clients, no more (default: 0)
"""
_JOB = Job(
    module="clickstream_processor.replaying",
    noun="replay",
    description="Sends dead letters of a pipeline to its clicks topic once more.",
    environment=_ENVIRONMENT,
    wrong=InvalidReplay,
    failed=lambda why: Report("failed", message=why),
)


def main(faults: Faults = NO_FAULTS) -> int:
    """Run the replay; return the exit status."""

    def begin(settings: Settings, stages: Stages, request: Request) -> Work[Report]:
        run = ReplayRun(settings, stages, request, faults)
        title = f"replay {request.name} of {settings.id}: dry run {request.dry_run}"
        return Work(title, run.run, run.stop, lambda: run.report, _line)

    return _JOB.main(lambda: read_request(_JOB.read("CLICKSTREAM_REPLAY_FILE")), begin)


def _line(report: Report) -> str:
    return (
        f"{report.phase}: {report.scanned} of {report.total} offsets, {report.matched} matched, "
        f"{report.replayed} replayed, {report.skipped} skipped {report.message}"
    )


if __name__ == "__main__":
    sys.exit(main())
