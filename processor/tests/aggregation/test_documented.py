"""The examples of docs/reference/metric-semantics.md and session-semantics.md, run through both stages."""

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
from clickstream_processor.aggregation.sessions.line import SessionsLine
from clickstream_processor.aggregation.sessions.session import ClosedSession, SessionWindows
from clickstream_processor.aggregation.windows import read_window
from clickstream_processor.settings.settings import MetricSection, SessionsSection
from clickstream_processor.settings.units import decode_unit
from clickstream_processor.stages.programs import metric_of
from clickstream_processor.topology.records.records import Click, Profile
from processor_support.lines.metrics_rig import MetricsTask, Panes, routed, row

REFERENCE = Path(__file__).resolve().parents[3] / "docs" / "reference"
PAGE, SESSIONS_PAGE = REFERENCE / "metric-semantics.md", REFERENCE / "session-semantics.md"
BLOCK = re.compile(r"```yaml\n# metric: (.*?)\n(.*?)```", re.DOTALL)
EXAMPLES = [(name, yaml.safe_load(text)) for name, text in BLOCK.findall(PAGE.read_text())]
SESSIONS_BLOCK = re.compile(r"```yaml\n# sessions: (.*?)\n(.*?)```", re.DOTALL)
OF_SESSIONS = [
    (name, yaml.safe_load(text)) for name, text in SESSIONS_BLOCK.findall(SESSIONS_PAGE.read_text())
]
USUAL = {"user_id": "alice", "page_url": "/", "action": "view"}
PROFILE_COLUMNS = ("country", "plan_tier")


def ms(text: str) -> int:
    """Return the milliseconds of minutes and seconds: 1:30."""
    minutes, seconds = text.split(":")
    return (int(minutes) * 60 + int(seconds)) * 1_000


class Table:
    """The topic of sessions as a table. A SessionOutputs."""

    def __init__(self) -> None:
        self.rows: dict[bytes, dict[str, Any]] = {}

    def session(self, value: bytes | None, key: bytes, timestamp_ms: int, /) -> None:
        assert value is None or json.loads(value)["session_end"] == timestamp_ms
        self.rows.pop(key, None)
        if value is not None:
            self.rows[key] = json.loads(value)


def windows_in(example: dict[str, Any]) -> SessionWindows | None:
    """Return when the sessions of an example end; None: it has none."""
    if "sessions" not in example:
        return None
    section = msgspec.convert(example["sessions"], SessionsSection, dec_hook=decode_unit)
    return SessionWindows(int(section.gap_ms), int(section.grace_ms))


def sessions_of(clicks: list[dict[str, Any]], windows: SessionWindows) -> tuple[SessionsLine, Table, int]:
    """Take the clicks in their order; commit once. Return the line, the topic and the time."""
    table, time_ms = Table(), -1
    line = SessionsLine(Panes(), windows, table)
    for each in clicks:
        event_ms = ms(each["time"])
        time_ms = max(time_ms, event_ms)
        line.add([row(event_ms, time_ms, user=each.get("user_id", "alice"), page=each["page_url"])])
    line.flush(time_ms)
    return line, table, time_ms


def count_sessions(
    metric: Metric, clicks: list[dict[str, Any]], windows: SessionWindows
) -> tuple[list[Gathering], MetricsTask]:
    """Take the clicks into sessions, and those that have closed into the metric."""
    line, _, time_ms = sessions_of(clicks, windows)
    gathering = Gathering([metric], 0, 1)
    closed = [
        ClosedSession(user, each.entry_page, each.exit_page, each.clicks, each.start_ms, each.end_ms)
        for user, each in line.closed
    ]
    gathering.add_sessions([(each, None, None, None, -1) for each in closed])
    task = MetricsTask([metric])
    task.take(routed(gathering, time_ms)[0])
    task.commit()
    return [gathering], task


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
    sessions = windows_in(example)
    metric = metric_of(msgspec.convert(example["metric"], MetricSection, dec_hook=decode_unit), sessions)
    gatherings, task = (
        gather(metric, example["clicks"])
        if sessions is None
        else count_sessions(metric, example["clicks"], sessions)
    )
    found = windows_of(metric, task, example["clicks"])
    expected = [{**each, "start": ms(each["start"])} for each in example["windows"]]
    shown = [{"start": each["window_start"], "keys": each["keys"], "value": each["value"]} for each in found]

    def order(each: dict[str, Any]) -> str:
        return json.dumps(each, sort_keys=True)

    assert sorted(shown, key=order) == sorted(expected, key=order)
    counters = [each.counters[metric.name] for each in gatherings]
    assert sum(each.late for each in counters) == example.get("late", 0)
    assert sum(each.failed for each in counters) == example.get("failed", 0)


@pytest.mark.parametrize(("name", "example"), OF_SESSIONS, ids=[name for name, _ in OF_SESSIONS])
def test_an_example_of_sessions_is_true(name: str, example: dict[str, Any]) -> None:
    windows = windows_in(example)
    assert windows is not None
    line, table, _ = sessions_of(example["clicks"], windows)
    times = {"start": "session_start", "end": "session_end"}
    assert sorted(table.rows.values(), key=lambda each: each["session_start"]) == [
        {times.get(name, name): ms(value) if name in times else value for name, value in each.items()}
        | {"user_id": "alice"}
        for each in example["sessions_then"]
    ]
    assert line.late == example.get("late", 0)


def test_the_pages_have_examples() -> None:
    assert len(EXAMPLES) >= 8
    assert len(OF_SESSIONS) >= 3
