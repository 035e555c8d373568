"""All SDKs of the table beside each other, each through a proxy of its own to one collector."""

import time
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from clickstream_local.parts.kafka import Kafka

from collector_support.faulty import Faulty
from collector_support.running import KEY, RunningCollector
from collector_support.sdk_pages import Browser, PageSdk
from collector_support.sdk_table import Sdk
from collector_support.sdks import Call, ServerSdk

KEYS = f"{KEY}\njk:secret"  # Jitsu's SDKs take only keys of this form
ANOTHER = "another"  # the action of events that only push out those before them
_AGO_MS = 60_000


def user_of(sdk: Sdk) -> str:
    """Return the id of an SDK's user: no other SDK has it, and it is in no other's."""
    return f"user-{sdk}"


@dataclass
class Driven:
    """One SDK, running: what was called and when."""

    sdk: Sdk
    program: ServerSdk | PageSdk
    proxy: Faulty
    track_ms: int  # when the track happened, as the call says, by the SDK's clock
    calls: dict[str, Call]

    @property
    def user(self) -> str:
        """Return the id of its user."""
        return user_of(self.sdk)

    @property
    def anonymous(self) -> str:
        """Return the anonymous id that a server's identify gives."""
        return f"anonymous-{self.sdk}"

    def call_all(self) -> None:
        """Identify, page, track, and send if somebody must ask for it."""
        self.calls["identify"] = self.program.call("identify", self.user, self.anonymous)
        self.calls["page"] = self.program.call("page", self.user)
        self.calls["track"] = self.program.call("track", self.user, "add_to_cart", self.track_ms)
        self.flush()

    def flush(self) -> None:
        """Ask a server's SDK to send what it has."""
        if self.sdk.home != "browser":
            self.program.call("flush")

    def push(self) -> None:
        """Send another event after those that failed, for SDKs that do not try again by themselves."""
        if self.sdk.needs_another:
            self.program.call("track", self.user, ANOTHER, self.track_ms)
            self.flush()


class Run:
    """A collector, and SDKs on their way to it.

    `faults`: what becomes of each SDK's first requests with events. `behind_ms`: how wrong their clocks are.
    """

    def __init__(
        self,
        kafka: Kafka,
        folder: Path,
        sdks: tuple[Sdk, ...],
        faults: tuple[str | int, ...] = (),
        behind_ms: int = 0,
        keys: str = KEYS,
    ) -> None:
        self.collector = RunningCollector(kafka, folder / "collector", keys)
        self._folder = folder
        self._sdks = sdks
        self._faults = faults
        self._behind_ms = behind_ms
        self._open = ExitStack()
        self.driven: list[Driven] = []

    def __enter__(self) -> Self:
        with self._open:
            self._open.enter_context(self.collector)
            browser = self._open.enter_context(Browser())
            for sdk in self._sdks:
                proxy = self._open.enter_context(Faulty(self.collector.port, user_of(sdk), self._faults))
                if sdk.home == "browser":
                    program: ServerSdk | PageSdk = browser.open(sdk.name, proxy.port, self._behind_ms)
                else:
                    program = ServerSdk(sdk.home, sdk.name, proxy.port, self._folder, self._behind_ms)
                self._open.callback(program.close)
                at_ms = int(time.time() * 1_000) - _AGO_MS - self._behind_ms
                self.driven.append(Driven(sdk, program, proxy, at_ms, {}))
            self._open = self._open.pop_all()
        return self

    def __exit__(self, *_: Any) -> None:
        self._open.close()

    def clicks(self) -> dict[str, list[Any]]:
        """Return what is in Kafka, by user."""
        found: dict[str, list[Any]] = defaultdict(list)
        for record in self.collector.read(self.collector.clicks):
            found[str(record.key)].append(record.value)
        return found

    def has_arrived(self) -> bool:
        """Tell whether Kafka has all events; the error says which it has not."""
        missing = self.missing()
        assert not missing, missing
        return True

    def missing(self) -> dict[str, list[str]]:
        """Return the actions that are not in Kafka yet, by SDK."""
        there = self.clicks()
        left = {
            str(each.sdk): sorted(set(each.sdk.actions) - {click["action"] for click in there[each.user]})
            for each in self.driven
        }
        return {name: actions for name, actions in left.items() if actions}
