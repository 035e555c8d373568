"""Record for record with Kafka Streams: random events, through both, every record of output compared.

`make oracle` compares for longer. What the cases are and how they are compared:
processor_support/oracles/differential.py.
"""

import pytest
from clickstream_local.testing.randomised import seed as seed_of
from clickstream_processor.topology.plan import Plan
from processor_support.oracles.differential import PLANS, compare_all

pytestmark = pytest.mark.real

EVENTS = 40_000
FIXED_SEED = 20_260_101
ANOTHER_SEED = seed_of(20_260_102)

# Both halves hold both values of each setting.
_HALVES = (PLANS[:4], PLANS[4:])


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("seed", "cases"),
    [
        pytest.param(FIXED_SEED, _HALVES[0], id="fixed-seed"),
        pytest.param(ANOTHER_SEED, _HALVES[1], id="another-seed", marks=pytest.mark.long),
    ],
)
def test_every_output_record_is_kafka_streams(seed: int, cases: tuple[Plan, ...]) -> None:
    print(f"seed {seed}: to repeat, run scripts/oracle --rounds 1 --seed {seed}")
    for comparison in compare_all(cases, EVENTS, seed):
        print(comparison.case, comparison.figures)
        assert not comparison.differences, (seed, comparison.case, comparison.differences[:3])
        letters = comparison.figures["dead_letters"]
        assert comparison.figures["enriched"] > EVENTS * 0.3
        assert comparison.figures["metrics"] > EVENTS * 0.1
        assert letters["late"] > 100
        assert ("unmatched" in letters) == comparison.case.startswith("inner")
