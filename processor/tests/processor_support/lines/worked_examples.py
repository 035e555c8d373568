"""Examples of the semantics as data: records in, in order, each followed by the records that come out.

Read from vectors/*.yaml and docs/reference/semantics.md; vectors/README.md describes the format. The expected
records name only the fields that matter.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from clickstream_processor.topology.plan import Plan
from clickstream_processor.topology.records.records import EARLIEST_MS

from processor_support.lines.line_driver import CLICKS, PROFILES, Event, Output, Record, Task

VECTORS = Path(__file__).parent / "vectors"
SEMANTICS = Path(__file__).resolve().parents[4] / "docs" / "reference" / "semantics.md"

_OUTPUTS = {"enriched": "enriched", "metrics": "metrics", "dead_letter": "dead-letters"}
_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}
_BLOCK = re.compile(r"```yaml\n# example: (.*?)\n(.*?)```", re.DOTALL)

Step = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Example:
    """One example; ``plan`` and the rest are the pipeline, ``steps`` the records in and out."""

    name: str
    plan: Plan
    filter: str
    set: dict[str, str]
    steps: tuple[Step, ...]
    commit_each: bool  # a commit after each record; otherwise where a step says so
    differs: str  # why Kafka Streams gives something else; empty: it must give the same

    @property
    def comparable(self) -> bool:
        """Whether the reference topology can run it and must agree."""
        own = self.set or self.plan.drop or self.filter != DEFAULT_FILTER
        return not (own or self.differs or any("tick" in step for step in self.steps))


DEFAULT_FILTER = 'click.action != "heartbeat"'


def vectors() -> list[Example]:
    """Return the examples of vectors/*.yaml."""
    return [
        _example(f"{file.stem}: {document['name']}", document)
        for file in sorted(VECTORS.glob("*.yaml"))
        for document in yaml.safe_load_all(file.read_text())
    ]


def documented() -> list[Example]:
    """Return the examples of docs/reference/semantics.md."""
    return [_example(name, yaml.safe_load(text)) for name, text in _BLOCK.findall(SEMANTICS.read_text())]


def _example(name: str, document: dict[str, Any]) -> Example:
    pipeline = document.get("pipeline", {})
    window = {"size": "10s", "grace": "0s", "retention": "1h"} | pipeline.get("window", {})
    transform = pipeline.get("transform", {})
    plan = Plan(
        clicks_topic="clicks",
        partitions=1,
        size_ms=_ms(window["size"]),
        advance_ms=_ms(window["advance"]) if window.get("advance") else None,
        grace_ms=_ms(window["grace"]),
        retention_ms=_ms(window["retention"]),
        emit=window.get("emit", "updates"),
        join=pipeline.get("join", {}).get("type", "inner"),
        unmatched=pipeline.get("join", {}).get("unmatched", "deadLetter"),
        late=pipeline.get("late", "deadLetter"),
        earliest_ms=EARLIEST_MS if pipeline.get("real_times") else 0,
        max_future_ms=_ms(pipeline.get("maxFuture", "1h")),
        drop=tuple(transform.get("drop", ())),
    )
    return Example(
        name=name,
        plan=plan,
        filter=pipeline.get("filter", DEFAULT_FILTER),
        set=transform.get("set", {}),
        steps=tuple(document["records"]),
        commit_each=not any("commit" in step for step in document["records"]),
        differs=document.get("differs", ""),
    )


def _ms(duration: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h)", duration).groups()  # type: ignore[union-attr]
    return int(number) * _UNITS_MS[unit]


def event_of(step: Step) -> Event | None:
    """Return the input record of a step; None if it is something else."""
    if "click" in step:
        click = {"page_url": "/", "action": "view"} | step["click"]
        time = step.get("recorded", click["timestamp"])
        return Event(CLICKS, step.get("key", click["user_id"]), json.dumps(click), time)
    if "raw_click" in step:
        return Event(CLICKS, step.get("key"), step["raw_click"], step.get("recorded", 0))
    if "profile" in step:
        return Event(PROFILES, step.get("key", step["profile"]["user_id"]), json.dumps(step["profile"]), 0)
    if "deleted_profile" in step:
        return Event(PROFILES, step["deleted_profile"], None, 0)
    return None


def events(example: Example) -> list[Event]:
    """Return the input records."""
    return [event for step in example.steps if (event := event_of(step))]


@dataclass(frozen=True, slots=True)
class Played:
    """What an example gave: the outputs after each input step, all of them, and where commits were."""

    by_step: list[tuple[Step, list[Output]]]
    outputs: list[Output]
    commits: list[int]  # number of events covered


def play(example: Example) -> Played:
    """Run the example through the line."""
    task = Task(example.plan, example.filter, example.set)
    offsets = {CLICKS: 0, PROFILES: 0}
    by_step: list[tuple[Step, list[Output]]] = []
    commits: list[int] = []
    read = 0
    for step in example.steps:
        if _OUTPUTS.keys() & step.keys():
            continue
        if event := event_of(step):
            task.read(event.topic, [Record(event, offsets[event.topic])])
            offsets[event.topic] += 1
            read += 1
        elif "tick" in step:
            task.tick(step["tick"])
        elif "restart" in step:
            task.crash()
        visible: list[Output] = []
        if example.commit_each or "commit" in step:
            visible = task.commit(after=read - 1)
            commits.append(read)
        by_step.append((step, visible))
    return Played(by_step, task.outputs, commits)


def expected(example: Example) -> list[tuple[Step, list[tuple[str, dict[str, Any]]]]]:
    """Return each input step with the (topic, fields) that must come out after it."""
    result: list[tuple[Step, list[tuple[str, dict[str, Any]]]]] = []
    for step in example.steps:
        if kind := next(iter(_OUTPUTS.keys() & step.keys()), None):
            result[-1][1].append((_OUTPUTS[kind], step[kind]))
        else:
            result.append((step, []))
    return result


def shown(outputs: Sequence[Output], wanted: Sequence[tuple[str, dict[str, Any]]]) -> list[Any]:
    """Return the outputs in the shape of the expectation: the fields that it names, at the same place."""
    pairs = []
    for place, output in enumerate(outputs):
        names = wanted[place][1] if place < len(wanted) else None
        fields = _fields(output)
        pairs.append(
            (output.topic, fields if names is None else {name: fields.get(name, "absent") for name in names})
        )
    return pairs


def _fields(output: Output) -> dict[str, Any]:
    try:
        fields = dict(json.loads(output.value or "{}"))
    except ValueError:
        fields = {}
    return fields | {
        "key": output.key,
        "time": output.timestamp,
        "reason": output.reason,
        "detail": output.detail,
    }
