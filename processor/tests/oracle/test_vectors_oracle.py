"""The vectors and the examples of semantics.md, through Kafka Streams: it gives the same records."""

import pytest
from processor_support.lines.line_driver import Output
from processor_support.lines.worked_examples import Example, documented, events, play, vectors
from processor_support.oracles.differential import differences
from processor_support.oracles.kafka_streams_oracle import outputs_of

pytestmark = pytest.mark.real

EXAMPLES = [example for example in vectors() + documented() if example.comparable]


@pytest.fixture(scope="module")
def reference() -> dict[str, list[Output]]:
    """What Kafka Streams gives for each example, by its name."""
    outputs = outputs_of([(example.plan, events(example)) for example in EXAMPLES])
    return {example.name: output for example, output in zip(EXAMPLES, outputs, strict=True)}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_kafka_streams_agrees(example: Example, reference: dict[str, list[Output]]) -> None:
    played = play(example)
    assert differences(reference[example.name], played.outputs, played.commits) == []


def test_most_examples_are_compared() -> None:
    assert len(EXAMPLES) >= 0.7 * len(vectors() + documented())
