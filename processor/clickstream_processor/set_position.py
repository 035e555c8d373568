"""Sets the position of a task that refuses to go on: the next click it processes, chosen by a person.

    python -m clickstream_processor.set_position clicks-3 first|OFFSET [--write] [--force] [--stream-ms MS]

Reads the settings as the pod does. Without --write it only says what would be. Nothing else is changed: the
state stays as it is, and the task takes the new position when its pod starts again. operate.md has
the procedure. Exit status: 0, 1 when it is refused, 2 for wrong settings.
"""

import argparse
import sys
import time
from dataclasses import dataclass

from clickstream_processor.errors import InvalidSettings, MalformedRecord, ProcessorError
from clickstream_processor.kafka import client
from clickstream_processor.kafka.ends import Log, read_logs
from clickstream_processor.kafka.log_reader import LogReader
from clickstream_processor.restoring.positions import newest_of, position_in
from clickstream_processor.settings import settings_file
from clickstream_processor.settings.settings import Settings
from clickstream_processor.stages.listed import stages_of
from clickstream_processor.stages.programs import compile_programs, plan_of
from clickstream_processor.state.checkpoint import Position
from clickstream_processor.task_id import TaskId, task_of

_LOOK_BACK = (1_000, 1 << 62)  # records of the positions topic, from its end
_READ_S = 60.0


class NotSet(ProcessorError):
    """The position stays as it is; the text says why."""


@dataclass(frozen=True, slots=True)
class PositionChange:
    """A new position and what it means, in words."""

    position: Position
    meaning: str


def decide(
    before: Position | None,
    clicks: Log,
    to: int | None,
    now_ms: int,
    *,
    force: bool,
    stream_ms: int | None = None,
) -> PositionChange:
    """Return the new position. `to` None: the first click that is kept. Raises NotSet.

    `stream_ms`: the greatest event time counted, where no position says it. One that is too low would let
    the task take stored counts for new ones, and begin them again at 0.
    """
    wanted = clicks.low if to is None else to
    if not clicks.low <= wanted <= clicks.high:
        raise NotSet(f"{wanted} is outside the log of the clicks, {clicks.low} to {clicks.high}")
    if before is not None and clicks.low <= before.clicks <= clicks.high and not force:
        raise NotSet(
            f"the task has a position, {before.clicks}, and the log still holds it ({clicks.low} to "
            f"{clicks.high}). To change it would lose or double clicks; --force does it all the same"
        )
    if before is None:
        meaning = "there was no position: clicks from there on are processed, those before it are not"
        if stream_ms is None:
            raise NotSet(
                "there is no position, so the task's stream time is not known. Give it with --stream-ms: the "
                "greatest `timestamp` among the partition's enriched clicks"
            )
        return PositionChange(Position(wanted, stream_ms, stream_ms, now_ms), meaning)
    if before.clicks > clicks.high:
        meaning = (
            f"the topic was created again: its clicks from {wanted} on are processed. Their event ids may "
            "repeat those of earlier clicks, which they then replace in an index of the same day"
        )
    elif wanted > before.clicks:
        meaning = f"clicks {before.clicks} to {wanted - 1} are never processed"
    elif wanted < before.clicks:
        meaning = f"clicks {wanted} to {before.clicks - 1} are processed a second time"
    else:
        meaning = "no click is left out or doubled"
    new = Position(wanted, before.stream_ms, before.closed_ms, now_ms, before.ordinal, before.epoch)
    return PositionChange(new, meaning)


def read_position(settings: Settings, task: TaskId, input_topic: str) -> Position | None:
    """Return the newest position of a task; None where there is none. Raises NotSet."""
    key = (settings.positions_topic, task.partition)
    log = read_logs(client.make_admin(settings, "position-admin"), [key])[key]
    reader = LogReader(lambda: client.make_consumer(settings, "position"))
    deadline_s = time.monotonic() + _READ_S
    for reach in _LOOK_BACK:
        start = max(log.low, log.high - reach)
        reader.forget([key])
        reader.follow([(*key, start)])
        position: Position | None = None
        offset = start
        while offset < log.high:
            if time.monotonic() > deadline_s:
                raise NotSet(f"{key[0]}-{key[1]} could not be read within {_READ_S:.0f} s")
            batch = reader.read(1_000, 1.0)
            messages = batch.records.get(key, [])
            newest = newest_of(task, messages)
            if newest is not None:
                position = position_in(newest, input_topic)
            if messages:
                offset = messages[-1].offset() + 1
            offset = max(offset, batch.reached.get(key, 0))
        if position is not None or start == log.low:
            return position
    return None


def write_position(settings: Settings, task: TaskId, position: Position) -> None:
    """Write it and wait until the brokers have it. Raises NotSet."""
    producer = client.make_plain_producer(settings, "position")
    producer.produce(settings.positions_topic, position.encode(), str(task), task.partition)
    if producer.flush(30):
        raise NotSet("the brokers did not take it within 30 s")


def main() -> int:
    """Run; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m clickstream_processor.set_position",
        description="Set the next click of a task that refuses to go on (docs/how-to/operate.md).",
    )
    parser.add_argument("task", help="such as clicks-3")
    parser.add_argument("to", help="the next click: its offset, or `first`: the first that is kept")
    parser.add_argument("--write", action="store_true", help="do it; otherwise only say what would be")
    parser.add_argument("--force", action="store_true", help="replace a position that the log still holds")
    parser.add_argument(
        "--stream-ms", type=int, metavar="MS", help="the greatest event time, if none is known"
    )
    arguments = parser.parse_args()
    try:
        settings = settings_file.load()
        stages = stages_of(settings, plan_of(settings), compile_programs(settings))
        task = task_of(arguments.task, stages)
        to = None if arguments.to == "first" else int(arguments.to)
        key = stages[task.stage].input_of(task.partition)
        clicks = read_logs(client.make_admin(settings, "position-admin"), [key])[key]
        before = read_position(settings, task, key[0])
        now_ms = time.time_ns() // 1_000_000
        change = decide(before, clicks, to, now_ms, force=arguments.force, stream_ms=arguments.stream_ms)
        print(f"{arguments.task}: {'none' if before is None else before.clicks} -> {change.position.clicks}")
        print(change.meaning)
        if not arguments.write:
            print("nothing was written; again with --write")
            return 0
        write_position(settings, task, change.position)
        print("written; delete the owner's pod, so that it starts again and takes the position")
    except InvalidSettings as error:
        print(f"wrong settings\n{error}", file=sys.stderr)
        return 2
    except (NotSet, MalformedRecord, ValueError) as error:
        print(f"not set: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
