"""The program of a Job, from its environment to its last word: erasures and replays share it.

The work runs on a thread of its own, so that signals are heard. GET /progress of the admin port tells how far
it is. The last word is on standard output and in the termination log.
"""

import argparse
import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Generic, TypeVar

from clickstream_processor import logs
from clickstream_processor.errors import InvalidSettings, ProcessorError, cause_of
from clickstream_processor.jobs.serving import serve
from clickstream_processor.jobs.word import Word
from clickstream_processor.kafka.client import connection
from clickstream_processor.settings import settings_file
from clickstream_processor.settings.settings import Settings
from clickstream_processor.stages.listed import stages_of
from clickstream_processor.stages.programs import compile_programs, plan_of
from clickstream_processor.stages.stage import Stages

R = TypeVar("R")
W = TypeVar("W", bound=Word)

TELL_S = 10.0  # between two lines of the log


@dataclass(frozen=True, slots=True)
class Work(Generic[W]):
    """One piece of work that can begin."""

    title: str  # the first line of the log
    run: Callable[[], object]
    stop: Event  # set it, and the work ends
    said: Callable[[], W]  # what it says of itself now
    line: Callable[[W], str]  # the same as a line of the log


@dataclass(frozen=True, slots=True)
class Job(Generic[W]):
    """One program. `failed` makes its word of why it failed before it began."""

    module: str  # as `python -m` has it
    noun: str  # what it does one of
    description: str
    environment: str  # the help's part about variables
    wrong: type[ProcessorError]  # raised where what it is asked to do is wrong
    failed: Callable[[str], W]

    def main(self, request: Callable[[], R], begin: Callable[[Settings, Stages, R], Work[W]]) -> int:
        """Do what `request` returns; return the exit status. `request` may raise `wrong`."""
        argparse.ArgumentParser(
            prog=f"python -m {self.module}",
            description=self.description,
            epilog=self.environment,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        ).parse_args()
        try:
            settings = settings_file.load({"CLICKSTREAM_ORDINAL": "0"} | dict(os.environ))
            stages = stages_of(settings, plan_of(settings), compile_programs(settings))
            connection(settings, "check")
            asked = request()
        except (InvalidSettings, self.wrong) as error:
            what = "wrong settings" if isinstance(error, InvalidSettings) else f"wrong {self.noun}"
            print(f"{self.module}: {what}\n{error}", file=sys.stderr)
            _leave(self.failed(f"{what}: {error}"))
            return 1
        logs.setup(settings.pod.log_level, settings.pod.log_format)
        word = self._do(settings, begin(settings, stages, asked))
        _leave(word)
        return 0 if word.phase == "done" else 1

    def read(self, variable: str) -> bytes:
        """Return the file that a variable of the environment names. Raises `wrong`."""
        path = os.environ.get(variable, "")
        if not path:
            raise self.wrong(f"{variable}: not set; it names the {self.noun} (JSON)")
        try:
            return Path(path).read_bytes()
        except OSError as error:
            raise self.wrong(f"{variable}: cannot read {path}: {cause_of(error)}") from error

    def _do(self, settings: Settings, work: Work[W]) -> W:
        """Run the work on a thread; tell its progress meanwhile."""
        log = logging.getLogger(self.module)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: work.stop.set())
        try:
            serve(settings.pod.host, settings.pod.admin_port, lambda: work.said().encode())
        except OSError as error:
            return self.failed(f"cannot serve on port {settings.pod.admin_port}: {cause_of(error)}")
        log.info("%s", work.title)
        worker = threading.Thread(target=work.run, name=self.noun, daemon=True)
        worker.start()
        while worker.is_alive():
            worker.join(TELL_S)
            log.info("%s", work.line(work.said()))
        return work.said()


def _leave(word: Word) -> None:
    """Leave the last word: on standard output whole, and for the kubelet where it looks."""
    print(word.encode().decode(), flush=True)
    path = Path(os.environ.get("CLICKSTREAM_TERMINATION_LOG", "/dev/termination-log"))
    with contextlib.suppress(OSError):
        if path.is_file():
            path.write_bytes(word.last_word())
