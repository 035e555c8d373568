"""The examples of docs/reference/metric-semantics.md, run through both stages."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from clickstream_processor.aggregation.gathering.gathering import Gathering
from clickstream_processor.aggregation.merging.results import ResultWriter
from clickstream_processor.aggregation.metric import Metric
from clickstream_processor.aggregation.windows import read_window
from clickstream_processor.settings import MetricSection
from clickstream_processor.stages.programs import metric_of
from clickstream_processor.topology.records import Click, Profile
from clickstream_processor.units import decode_unit
from processor_support.metrics_rig import MetricsTask, routed

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "metric-semantics.md"
BLOCK = re.compile(r"```yaml\n# metric: (.*?)\n(.*?)```", re.DOTALL)
EXAMPLES = [(name, yaml.safe_load(text)) for name, text in BLOCK.findall(PAGE.read_text())]
USUAL = {"user_id": "alice", "page_url": "/", "action": "view"}
PROFILE_COLUMNS = ("country", "plan_tier")


def ms(text: str) -> int:
    """Return the milliseconds of minutes and seconds: 1:30."""
    minutes, seconds = text.split(":")
    return (int(minutes) * 60 + int(seconds)) * 1_000


def gather(metric: Metric, clicks: list[dict[str, Any]]) -> tuple[list[Gathering], MetricsTask]:
    """Take the clicks, partition by partition in their order; commit once."""
    partitions = 1 + max(each.get("partition", 0) for each in clicks)
    gatherings = [Gathering([metric], partition, 1) for partition in range(partitions)]
    times = [-1] * partitions
    for each in clicks:
        partition, event_ms = each.get("partition", 0), ms(each["time"])
        fields: dict[str, Any] = USUAL | {"timestamp": event_ms} | each
        click = Click(fields["user_id"], fields["page_url"], fields["action"], event_ms)
        columns = {name: each.get(name) for name in PROFILE_COLUMNS}
        profile = Profile(fields["user_id"], **columns)
        times[partition] = max(times[partition], event_ms)
        gatherings[partition].add([(click, profile, fields, columns, times[partition])])
    task = MetricsTask([metric], clicks_partitions=partitions)
    for gathering, time_ms in zip(gatherings, times, strict=True):
        task.take(routed(gathering, time_ms)[0])
    task.commit()
    return gatherings, task


def windows_of(metric: Metric, task: MetricsTask, clicks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return every window that has something."""
    step = metric.panes.advance_ms
    newest_ms = max(ms(each["time"]) for each in clicks)
    writer = ResultWriter(metric)
    return [
        json.loads(writer.write(start_ms, found)[0])
        for start_ms in range(0, newest_ms + step, step)
        for found in read_window(task.state, metric, start_ms)
    ]


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_an_example_of_the_page_is_true(name: str, example: dict[str, Any]) -> None:
    metric = metric_of(msgspec.convert(example["metric"], MetricSection, dec_hook=decode_unit))
    gatherings, task = gather(metric, example["clicks"])
    found = windows_of(metric, task, example["clicks"])
    expected = [{**each, "start": ms(each["start"])} for each in example["windows"]]
    shown = [{"start": each["window_start"], "keys": each["keys"], "value": each["value"]} for each in found]

    def order(each: dict[str, Any]) -> str:
        return json.dumps(each, sort_keys=True)

    assert sorted(shown, key=order) == sorted(expected, key=order)
    counters = [each.counters[metric.name] for each in gatherings]
    assert sum(each.late for each in counters) == example.get("late", 0)
    assert sum(each.failed for each in counters) == example.get("failed", 0)


def test_the_page_has_examples() -> None:
    assert len(EXAMPLES) >= 7
