"""What the parts have in common: one program each, which can be started, stopped, killed and frozen."""

from abc import ABC, abstractmethod

from clickstream_local.machine.process import Process


class Part(ABC):
    """A subclass makes the process, and says what comes before its start and what shows that it is ready."""

    _process: Process

    def _prepare(self) -> None:  # noqa: B027  # some programs read nothing
        """Write what the program reads when it starts."""

    @abstractmethod
    def _is_ready(self) -> bool:
        """Tell whether the program does its work. Asked again and again after the start."""

    def start(self) -> None:
        """Start the program and wait until it is ready. Raises PartFailed when it ends first."""
        self._prepare()
        self._process.start()
        self._process.wait_until(self._is_ready)

    def stop(self) -> None:
        """Stop it in order."""
        self._process.stop()

    def kill(self) -> None:
        """Kill it, as a crash would."""
        self._process.kill()

    def restart(self) -> None:
        """Stop in order and start again."""
        self.stop()
        self.start()

    def suspend(self) -> None:
        """Freeze it, as a machine that hangs would."""
        self._process.suspend()

    def resume(self) -> None:
        """Let it go on after a freeze."""
        self._process.resume()

    def is_running(self) -> bool:
        """Tell whether its process lives."""
        return self._process.is_running()
