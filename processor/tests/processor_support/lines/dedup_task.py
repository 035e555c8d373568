"""A clicks task with dedup, on a store of its own."""

import json
from pathlib import Path
from typing import Any, cast

from clickstream_processor.settings.settings_file import load
from clickstream_processor.stages.clicks import ClicksLine, clicks_stage
from clickstream_processor.stages.programs import compile_programs, plan_of
from clickstream_processor.state.changes import Change
from clickstream_processor.state.checkpoint import Position
from clickstream_processor.state.memory import MemoryShares, StateMemory
from clickstream_processor.state.store import TaskStore
from clickstream_processor.topology import keys

from processor_support.lines.sample_line import T0, Captured, click

WITHIN = 3_600_000
DOCUMENT: dict[str, Any] = {
    "settingsVersion": 4,
    "name": "shop",
    "namespace": "shop",
    "id": "shop",
    "kafka": {"bootstrapServers": "nowhere:9092"},
    "topics": {"partitions": 1},
    "peers": {"host": "nowhere", "port": 1},
}


class Task:
    """The task; `changelog` has what its commits wrote."""

    def __init__(self, folder: Path, **processing: Any) -> None:
        self.folder = folder
        self.memory = StateMemory(MemoryShares.of_limit(1 << 28))
        self.store = TaskStore.open(folder, self.memory)
        self.changelog: list[Change] = []
        self.offset = 0
        self.configure({"dedup": {}, **processing})
        self.start()

    def configure(self, processing: dict[str, Any]) -> None:
        """Change the settings; `start` goes by them."""
        file = self.folder.with_suffix(".json")
        file.write_text(json.dumps(DOCUMENT | {"processing": processing}))
        settings = load({"CLICKSTREAM_SETTINGS": str(file), "CLICKSTREAM_ORDINAL": "0"})
        self.stage = clicks_stage(settings, plan_of(settings), compile_programs(settings))

    def start(self) -> None:
        """Begin anew with what is committed."""
        self.out = Captured()
        self.line = cast(ClicksLine, self.stage.line(self.store, 0, cast(Any, self.out), 1_000))

    def click(self, name: object, user: str = "alice", late_ms: int = 0, **fields: Any) -> None:
        fields = fields if name is None else {**fields, "message_id": name}
        self.line.records([click(user, T0, self.offset, record_ms=T0 + late_ms, **fields)])
        self.offset += 1

    def commit(self) -> None:
        self.changelog += self.line.flush()
        state = self.line.state
        clocks = {name: getattr(state, name) for name in ("stream_ms", "closed_ms", "record_ms", "ahead_ms")}
        state.commit(Position(self.offset, at_ms=1, **clocks), len(self.changelog))

    def ids(self) -> int:
        """Return how many segments of ids the store has."""
        return len(list(self.store.scan(*keys.SEEN_RANGE)))

    def enriched(self) -> list[int]:
        """Return the offsets of the enriched clicks since the start."""
        return [int(body["event_id"].rpartition("-")[2]) for body, _, _ in self.out.clicks]
