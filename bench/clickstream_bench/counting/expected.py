"""What the two metrics must come to, counted from the input alone; and what a system made of it.

Kafka Streams merges the partitions of a repartition topic by the order of arrival. At full ingest one
partition may be minutes of event time ahead of another, and what comes after `grace` is dropped. So it is
given a grace that is longer than the input. The pods decide lateness before the partitions meet, and keep
their default of one minute.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from clickstream_bench.counting.sizes import ADVANCE_MS, SIZE_MS
from clickstream_bench.traffic import COUNTRIES, Traffic

ERROR = 0.08  # of an estimate: five standard errors of 4096 registers

Key = tuple[str, int]  # a page or a country, and the start of the window


@dataclass(slots=True)
class Expected:
    """By window: views of each page, and users of each country."""

    views: Counter[Key] = field(default_factory=Counter)
    users: dict[Key, int] = field(default_factory=dict)

    @staticmethod
    def of(traffic: Traffic) -> "Expected":
        """Count an input. No click of it is late: a pane closes a minute after its end."""
        views: Counter[Key] = Counter()
        users: defaultdict[Key, set[str]] = defaultdict(set)
        for user, click in traffic.records():
            if click["action"] == "heartbeat":
                continue
            pane_ms = int(click["timestamp"]) // ADVANCE_MS * ADVANCE_MS
            views[str(click["page_url"]), pane_ms] += 1
            users[COUNTRIES[int(user.rpartition("-")[2]) % len(COUNTRIES)], pane_ms].add(user)
        expected = Expected()
        for (page, pane_ms), count in views.items():
            for window_ms in windows_of(pane_ms):
                expected.views[page, window_ms] += count
        sets: defaultdict[Key, set[str]] = defaultdict(set)
        for (country, pane_ms), some in users.items():
            for window_ms in windows_of(pane_ms):
                sets[country, window_ms] |= some
        expected.users = {key: len(some) for key, some in sets.items()}
        return expected

    @property
    def windows(self) -> list[int]:
        """Return the starts of the windows that have something."""
        return sorted({window_ms for _, window_ms in self.views})

    def differences(self, views: Mapping[Key, int], users: Mapping[Key, float]) -> list[str]:
        """Return what is wrong with a system's values: counts must be equal, estimates near."""
        wrong = []
        if keys := [
            key for key in self.views.keys() | views.keys() if views.get(key, 0) != self.views.get(key)
        ]:
            first = min(keys)
            wrong.append(
                f"{len(keys)} of {len(self.views)} counts of pages differ, "
                f"{first}: {views.get(first, 0)}, {self.views.get(first, 0)} expected"
            )
        far = [
            key
            for key in self.users.keys() | users.keys()
            if abs(users.get(key, 0) - self.users.get(key, 0)) > max(1.0, ERROR * self.users.get(key, 0))
        ]
        if far:
            first = min(far)
            wrong.append(
                f"{len(far)} of {len(self.users)} estimates of users are far off, "
                f"{first}: {users.get(first, 0):.0f}, {self.users.get(first, 0)} expected"
            )
        return wrong


def windows_of(pane_ms: int) -> range:
    """Return the starts of the windows that have a pane."""
    return range(pane_ms - SIZE_MS + ADVANCE_MS, pane_ms + 1, ADVANCE_MS)


def estimate(registers: bytes) -> float:
    """Return what HyperLogLog's registers say, as Registers.java fills them."""
    number = len(registers)
    zeros = registers.count(0)
    raw = 0.7213 / (1 + 1.079 / number) * number**2 / sum(2.0**-rank for rank in registers)
    return number * math.log(number / zeros) if zeros and raw <= 2.5 * number else raw
