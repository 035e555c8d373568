"""What a person sees while things start: one line for each step with its time; a spinner on a terminal."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status


class Progress:
    """Steps that run one after the other or beside each other, printed when they are done."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self._began = time.monotonic()
        self._active: list[str] = []
        self._status: Status | None = None

    def say(self, text: str) -> None:
        """Print one line with the time since the start."""
        self.console.print(f"[dim]{self.elapsed_s:6.1f} s[/]  {text}", soft_wrap=True)

    @property
    def elapsed_s(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self._began

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Show `text` as going on, and print it with its time once it is done."""
        began = time.monotonic()
        self._active.append(text)
        self._show()
        try:
            yield
        finally:
            self._active.remove(text)
            self._show()
        self.say(f"{text} [green]ok[/] [dim]({time.monotonic() - began:.1f} s)[/]")

    def _show(self) -> None:
        if not self.console.is_terminal:
            return
        text = " · ".join(self._active)
        if self._active and self._status is None:
            self._status = self.console.status(text)
            self._status.start()
        elif self._active and self._status is not None:
            self._status.update(text)
        elif self._status is not None:
            self._status.stop()
            self._status = None
