"""How random the randomised tests are: a pytest plugin, loaded by pyproject.toml for every test.

In the gate every run draws the same examples, so that it is red for what a change did and never by chance.
With `CLICKSTREAM_LONG=1` seeds are fresh and examples many: a red run is then a find.
"""

import os
import random

from hypothesis import settings

LONG = os.environ.get("CLICKSTREAM_LONG") == "1"
_TIMES = 20

settings.register_profile("gate", derandomize=True, deadline=None)  # no test asserts how long it took
settings.register_profile("long", derandomize=False, deadline=None)
settings.load_profile("long" if LONG else "gate")


def examples(number: int) -> int:
    """Return how many examples to draw where the gate draws that many."""
    return number * _TIMES if LONG else number


def seed(fixed: int) -> int:
    """Return the seed of a test that draws by itself; it prints it, so that a find can be repeated."""
    return random.SystemRandom().randrange(2**32) if LONG else fixed
