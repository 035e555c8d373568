"""Kafka Streams as the oracle: the program in bench/kafka-streams, one process for several cases."""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from clickstream_local.parts.kafka_streams import java
from clickstream_processor.topology.plan import Plan

from processor_support.lines.line_driver import Event, Output


def outputs_of(cases: Sequence[tuple[Plan, Sequence[Event]]]) -> list[list[Output]]:
    """Return each case's output records in the order in which Kafka Streams wrote them."""
    with tempfile.TemporaryDirectory() as folder:
        runs = []
        for number, (plan, events) in enumerate(cases):
            name = Path(folder) / str(number)
            name.with_suffix(".events").write_text("".join(json.dumps(asdict(e)) + "\n" for e in events))
            runs.append(
                {
                    "join": plan.join,
                    "size_ms": plan.size_ms,
                    "advance_ms": plan.advance_ms,
                    "grace_ms": plan.grace_ms,
                    "emit": plan.emit,
                    "events": str(name.with_suffix(".events")),
                    "outputs": str(name.with_suffix(".outputs")),
                }
            )
        file = Path(folder) / "runs"
        file.write_text("".join(json.dumps(run) + "\n" for run in runs))
        subprocess.run(java("Oracle", str(file), options=["-XX:+UseSerialGC"]), check=True, timeout=1_800)
        return [_read(file.with_name(f"{number}.outputs")) for number in range(len(runs))]


def _read(file: Path) -> list[Output]:
    with file.open() as lines:
        return [Output(**json.loads(line)) for line in lines]
