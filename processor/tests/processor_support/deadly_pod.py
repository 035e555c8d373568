"""A pod whose line fails on certain clicks: run in place of `python -m clickstream_processor`.

A click whose action is `kill` ends the process as a lost node would; `raise-late` raises after its output
was written; `raise-in-flush` raises when its user's count is written. The rest is the product's own line.
"""

import os
import signal
from collections.abc import Sequence

from clickstream_processor import __main__
from clickstream_processor.stages import clicks
from clickstream_processor.topology.interfaces import Message
from clickstream_processor.topology.pipeline import Pipeline


class DeadlyPipeline(Pipeline):
    """The line, with three holes in its floor."""

    def clicks(self, messages: Sequence[Message]) -> None:
        for message in messages:
            if b'"kill"' in (message.value() or b""):
                os.kill(os.getpid(), signal.SIGKILL)
        super().clicks(messages)
        self.poisoned = getattr(self, "poisoned", False) or any(
            b'"raise-in-flush"' in (message.value() or b"") for message in messages
        )
        if any(b'"raise-late"' in (message.value() or b"") for message in messages):
            raise ArithmeticError("this click cannot be counted")

    def flush(self) -> list[tuple[bytes, bytes]]:
        if getattr(self, "poisoned", False):
            raise OverflowError("this count cannot be written")
        return super().flush()


if __name__ == "__main__":
    vars(clicks)["Pipeline"] = DeadlyPipeline
    __main__.main()
