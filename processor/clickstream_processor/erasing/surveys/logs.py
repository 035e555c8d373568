"""Reads whole logs, from their first record to where they end now."""

import time
from collections.abc import Callable, Iterable, Sequence
from threading import Event

from confluent_kafka.admin import AdminClient

from clickstream_processor.errors import ErasureFailed
from clickstream_processor.kafka import client
from clickstream_processor.kafka.ends import Log, LogKey, read_high_watermarks, read_logs
from clickstream_processor.kafka.log_reader import LogReader
from clickstream_processor.settings.settings import Settings
from clickstream_processor.topology.interfaces import Message

BATCH = 5_000
READ_S = 0.5
OPEN_S = 120.0  # for transactions that are open
LOOK_S = 0.1
STOPPED = "stopped by a signal: it may be started again"


def read_whole(
    settings: Settings,
    admin: AdminClient,
    keys: Iterable[LogKey],
    take: Callable[[LogKey, Sequence[Message]], None],
    stop: Event,
) -> None:
    """Give all committed records of these logs to `take`, each log's in order.

    Raises KafkaException; ErasureFailed where `stop` is set.
    """
    logs = _ended(admin, list(keys), stop)
    left = {key: log.high for key, log in logs.items() if log.low < log.high}
    reader = LogReader(lambda: client.make_consumer(settings, "erasing"))
    try:
        reader.follow((*key, logs[key].low) for key in left)
        while left:
            if stop.is_set():
                raise ErasureFailed(STOPPED)
            batch = reader.read(BATCH, READ_S)
            reached = dict(batch.reached)
            for key, records in batch.records.items():
                take(key, records)
                reached[key] = max(reached.get(key, 0), records[-1].offset() + 1)
            for key in batch.lost:  # deleted meanwhile
                reader.forget([key])
                reader.follow([(*key, read_logs(admin, [key])[key].low)])
            done = [key for key, offset in reached.items() if offset >= left.get(key, offset + 1)]
            for key in done:
                del left[key]
            reader.forget(done)
    finally:
        reader.close()


def _ended(admin: AdminClient, keys: list[LogKey], stop: Event) -> dict[LogKey, Log]:
    """Return both ends of logs, once all is committed or aborted that is there now.

    A commit is answered before its markers are written: until they are, its records are not to be seen.
    """
    written, deadline_s = read_high_watermarks(admin, keys), time.monotonic() + OPEN_S
    while True:
        logs = read_logs(admin, keys)
        if all(logs[key].high >= written[key] for key in keys):
            return logs
        if stop.wait(LOOK_S):
            raise ErasureFailed(STOPPED)
        if time.monotonic() > deadline_s:
            raise ErasureFailed(f"transactions stay open in {keys[0][0]}; it may be started again")
