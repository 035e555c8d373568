"""The vectors and the examples of docs/reference/semantics.md, through the line."""

import pytest
from processor_support.lines.worked_examples import Example, documented, expected, play, shown, vectors


@pytest.mark.parametrize("example", vectors(), ids=lambda example: example.name)
def test_vector(example: Example) -> None:
    _check(example)


@pytest.mark.parametrize("example", documented(), ids=lambda example: example.name)
def test_documented_example(example: Example) -> None:
    _check(example)


def test_there_are_examples_of_every_kind() -> None:
    """A glob or a pattern that finds nothing would test nothing."""
    assert len(vectors()) >= 30
    assert len(documented()) >= 10


def _check(example: Example) -> None:
    for (step, wanted), (_, outputs) in zip(expected(example), play(example).by_step, strict=True):
        assert shown(outputs, wanted) == wanted, f"after {step}"
