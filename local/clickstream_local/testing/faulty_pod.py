"""A pod with faults: `python -m clickstream_local.testing.faulty_pod` in place of the processor's own module.

    CLICKSTREAM_CRASH_AT=POINT[:N]      kill the process the Nth time it comes past a point of the protocol
    CLICKSTREAM_UNSAFE_SKIP_RULE=RULE   leave out a rule of protocol.md, to show what that costs

`clickstream_processor.faults` names points and rules. The kill is SIGKILL: no handler, no flush, no
destructor, as a lost node would do it.
"""

import os
import signal
import sys

from clickstream_processor.__main__ import main
from clickstream_processor.faults import POINTS, RULES, Faults


class Injected(Faults):
    """Kills the process at one point, or leaves out one rule."""

    def __init__(self, crash_at: str = "", rule: str = "") -> None:
        """Raises ValueError when there is no such point or rule."""
        self._point, _, count = crash_at.partition(":")
        self._rule = rule
        for name, value, allowed in (
            ("CLICKSTREAM_CRASH_AT", self._point, POINTS),
            ("CLICKSTREAM_UNSAFE_SKIP_RULE", rule, RULES),
        ):
            if value and value not in allowed:
                raise ValueError(f"{name}: {value!r} must be one of {', '.join(allowed)}")
        self._left = int(count or 1)

    def reach(self, point: str) -> None:
        """Kill the process if this is the chosen point and its turn."""
        if point != self._point:
            return
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def skips(self, rule: str) -> bool:
        """Tell whether this is the rule that is left out."""
        return rule == self._rule


if __name__ == "__main__":
    names = ("CLICKSTREAM_CRASH_AT", "CLICKSTREAM_UNSAFE_SKIP_RULE")
    chosen = {name: os.environ.get(name, "") for name in names}
    print("for tests only:", *(f"{name}={value}" for name, value in chosen.items() if value), file=sys.stderr)
    sys.exit(main(Injected(*chosen.values())))
