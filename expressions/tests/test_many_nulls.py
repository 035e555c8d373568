"""Values with nulls do not end the process, however many there are."""

import subprocess
import sys

import pytest

_EVALUATE = """
import sys
from types import SimpleNamespace
from clickstream_expressions.expression import compile_output

click = SimpleNamespace(user_id="u-1", page_url="/", action="view", timestamp=1)
output = compile_output("set.x", sys.argv[1])
for _ in range(50_000):
    output.by_library(click, None, {"tag": None}, None)
print("alive")
"""


@pytest.mark.parametrize("source", ["click.tag", "[click.tag, null]", '{"a": {"b": click.tag}}'])
def test_process_outlives_many_nulls(source: str) -> None:
    """A process of its own: the fault ends it, without an exception, after some thousand nulls."""
    command = [sys.executable, "-c", _EVALUATE, source]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr
