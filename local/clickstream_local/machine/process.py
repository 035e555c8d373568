"""One supervised program: its own process group, its output in a file, and never left behind.

A program ends with this one in every case: orderly through `stop`, and by the kernel
(PR_SET_PDEATHSIG) when this process is killed. The kernel sends that signal when the
THREAD that started the program ends, so all programs are started by one thread that lives
as long as the interpreter.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from clickstream_local.errors import PartFailed

_SPAWNER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")
_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1
_POLL_S = 0.05
START_TIMEOUT_S = 600.0  # for a program that hangs; one that ends is noticed at once, a busy machine is slow

Account = Sequence[str]
"""A command prefix that runs the program as somebody else; empty for the present user (account.py)."""


def _end_with_parent(parent: int) -> Callable[[], None]:
    def between_fork_and_exec() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent ended before the line above
            os._exit(1)

    return between_fork_and_exec


class Process:
    """A program with a name, a log file and a way to tell that it is ready. Can be started again."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        account: Account = (),
        stop_signal: signal.Signals = signal.SIGTERM,
        stop_timeout_s: float = 30.0,
    ) -> None:
        self.name = name
        self.log = log
        self._command = [*account, *command]
        self._environment = {**os.environ, **(environment or {})}
        self._folder = folder
        self._stop_signal = stop_signal
        self._stop_timeout_s = stop_timeout_s
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Return the process id; raises PartFailed when it was never started."""
        if self._process is None:
            raise PartFailed(self.name, "was not started", self.log, "")
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """Return the exit status, or None while it runs or before the first start."""
        return self._process.poll() if self._process else None

    def is_running(self) -> bool:
        """Tell whether the program was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the program unless it runs. Its output is appended to the log."""
        if self.is_running():
            return
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._process = _SPAWNER.submit(self._spawn).result()

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as output:
            return subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                env=self._environment,
                process_group=0,
                preexec_fn=_end_with_parent(os.getpid()),
            )

    def wait_until(
        self, ready: Callable[[], bool], timeout_s: float = START_TIMEOUT_S, what: str = "ready"
    ) -> None:
        """Wait until `ready` is true. Raises PartFailed when the program ends first or the time is over."""
        deadline = time.monotonic() + timeout_s
        while not ready():
            if not self.is_running():
                raise PartFailed(self.name, f"ended with status {self.exit_status}", self.log, self.tail())
            if time.monotonic() > deadline:
                raise PartFailed(self.name, f"was not {what} after {timeout_s:.0f} s", self.log, self.tail())
            time.sleep(_POLL_S)

    def request_stop(self) -> None:
        """Ask the program to end, without waiting: so that several can end at the same time."""
        if self.is_running():
            self._signal(signal.SIGCONT)
            self._signal(self._stop_signal)

    def stop(self) -> None:
        """End the program in order; kill what is left of its group when the time is over."""
        if self._process is None:
            return
        self.request_stop()
        try:
            self._process.wait(self._stop_timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
        self._signal(signal.SIGKILL)

    def kill(self) -> None:
        """Kill the whole group at once, as a crash would."""
        if self._process is not None:
            self._signal(signal.SIGKILL)
            self._process.wait()

    def suspend(self) -> None:
        """Freeze the program (SIGSTOP), as a machine that hangs would."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen program go on (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def tail(self, lines: int = 15) -> str:
        """Return the last lines of the log, indented."""
        if not self.log.exists():
            return "  (empty)"
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - 16_384))
            text = file.read().decode(errors="replace")
        return "\n".join(f"  {line}" for line in text.splitlines()[-lines:]) or "  (empty)"


def stop_all(processes: Sequence[Process]) -> None:
    """Stop several programs that do not depend on each other, at the same time."""
    for process in processes:
        process.request_stop()
    for process in processes:
        process.stop()
