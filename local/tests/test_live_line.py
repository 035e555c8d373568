"""What the demo's line says of the pods, also when they cannot know."""

import pytest
from clickstream_local.pipeline.live_line import Figures, behind


def pod(lag: int, silent_s: float) -> str:
    return (
        "clickstream_pipeline_tasks 4.0\n"
        f'clickstream_consumer_lag_records{{partition="0"}} {lag}.0\n'
        f'clickstream_consumer_lag_records{{partition="1"}} {lag}.0\n'
        f"clickstream_broker_silence_seconds {silent_s}\n"
    )


RESTORING = "clickstream_pipeline_tasks 4.0\nclickstream_broker_silence_seconds 0.4\n"


@pytest.mark.parametrize(
    ("expositions", "said"),
    [
        ([pod(600, 0.4), pod(10, 1.2)], "lag 1,220"),
        ([pod(0, 0.4), pod(0, 90.0)], "lag 0"),
        ([pod(0, 22.4), pod(0, 23.0)], "lag unknown: Kafka away for 22 s"),
        ([pod(5, 0.4), None], "lag 10 (1 of the pods silent)"),
        ([None, pod(0, 30.0)], "lag unknown: Kafka away for 30 s"),
        ([None, None], "lag unknown: no pod answers"),
        ([pod(5, 0.4), RESTORING], "lag unknown of 2 tasks, 10 of the others"),
    ],
    ids=[
        "known",
        "one cut off",
        "Kafka away",
        "one silent",
        "one silent, Kafka away",
        "all silent",
        "one restores",
    ],
)
def test_lag_is_told_only_where_it_is_known(expositions: list[str | None], said: str) -> None:
    assert str(behind(expositions)) == said


def test_line_has_every_figure() -> None:
    line = Figures(1200, 1000, 900, behind([pod(0, 0.1), pod(0, 0.1)]), 1.26).line()
    assert line == "clicks 1,200 · enriched 1,000 · indexed 900 · lag 0 · query p99 1.3 ms"
