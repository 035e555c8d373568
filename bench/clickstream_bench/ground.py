"""What a measurement stands on: a broker of its own, inputs, each run's topics, the check of outputs."""

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from clickstream_local.parts.kafka import Kafka
from confluent_kafka.admin import AdminClient

from clickstream_bench.systems import Topics, create
from clickstream_bench.traffic import Expected, Traffic, copy_differences, differences

DEADLINE_S = 300.0


@dataclass(frozen=True, slots=True)
class Input:
    """Topics that hold an input, which runs may share, and what must come out of it."""

    clicks: str
    profiles: str
    traffic: Traffic
    expected: Expected


class Ground:
    """A broker in `folder`, and the names of what is on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kafka = Kafka(folder / "kafka", heap_mb=1_024)
        self.start_ms = (int(time.time() * 1_000) - 3_600_000) // 300_000 * 300_000
        self._numbers = itertools.count()

    def input(self, traffic: Traffic) -> Input:
        """Send an input into topics of its own."""
        name = f"input-{next(self._numbers)}"
        clicks, profiles = f"{name}-clicks", f"{name}-profiles"
        create(self.kafka, clicks, partitions=traffic.partitions)
        create(self.kafka, profiles, cleanup_policy="compact", partitions=traffic.partitions)
        say(f"sending {traffic.clicks:,} clicks of {traffic.users:,} users")
        return Input(clicks, profiles, traffic, traffic.send(self.kafka.bootstrap, clicks, profiles))

    def topics(self, given: Input) -> tuple[Topics, str]:
        """Return a run's topics on an input, created, and the run's name."""
        run, partitions = f"run-{next(self._numbers)}", given.traffic.partitions
        topics = Topics(given.clicks, given.profiles, f"{run}-enriched", f"{run}-metrics", partitions)
        create(self.kafka, topics.enriched, topics.metrics, partitions=partitions)
        return topics, run

    def check(self, name: str, topics: Topics, expected: Expected, *, copies: bool = False) -> None:
        """Compare a system's whole output with what must come out, before any figure of it is printed.

        `copies`: it copies clicks to the enriched topic, and does no more.
        """
        if copies:
            wrong = copy_differences(self.kafka.bootstrap, topics.enriched, expected)
        else:
            wrong = differences(self.kafka.bootstrap, topics.enriched, topics.metrics, expected)
        if wrong:
            raise SystemExit(f"{name} wrote something else: {'; '.join(wrong)}")

    def drop(self, run: str) -> None:
        """Delete a run's topics, a system's own as well, so that the disk does not fill."""
        admin = AdminClient({"bootstrap.servers": self.kafka.bootstrap, "log_level": 3})  # no word at its end
        names = [name for name in admin.list_topics(timeout=60).topics if name.startswith(f"{run}-")]
        for future in admin.delete_topics(names).values():
            future.result(60)

    def users(self, name: str, users: list[str]) -> Path:
        """Return a file of users, one a line, for a load of queries."""
        file = self.folder / name
        file.write_text("\n".join(users))
        return file


@contextmanager
def ground(folder: Path) -> Iterator[Ground]:
    """Give a running broker, and stop it whatever happens."""
    here = Ground(folder)
    try:
        here.kafka.start()
        yield here
    finally:
        here.kafka.stop()


def when(condition: Callable[[], bool], otherwise: str, deadline_s: float = DEADLINE_S) -> float:
    """Wait until it is true; return the time, s. Raises TimeoutError that says what is `otherwise`."""
    deadline = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{otherwise} after {deadline_s:.0f} s")
        time.sleep(0.02)
    return time.perf_counter()


def say(text: str) -> None:
    """Tell the progress."""
    print(text, flush=True)
