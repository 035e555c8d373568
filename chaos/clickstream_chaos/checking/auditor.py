"""Asks the query API all the time: an answer not marked stale must never contradict committed history.

Counts of a window only grow. So an unmarked answer must be at least as high as any unmarked answer that came
before the question was put, whichever pods gave the two; and in the end none may be above the true count.
"""

import json
import random
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable

from clickstream_local.machine.ports import HOST

from clickstream_chaos.load.load import USERS, user

ASKED_PER_S = 20
ENOUGH = 10  # differences that are told
STALENESS = "X-Clickstream-Staleness"
Windows = dict[int, int]  # window start, ms -> clicks


class Auditor:
    """A thread that asks random pods for random users."""

    def __init__(self, query_port: int, pods: Callable[[], list[int]], seed: int) -> None:
        self._query_port, self._pods = query_port, pods
        self._chance = random.Random(seed)  # noqa: S311 (test data)
        self._highest: dict[tuple[str, int], int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="auditor", daemon=True)
        self.answers = self.marked = self.refused = 0
        self.contradictions: list[str] = []

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def compare(self, counts: dict[tuple[str, int], int], others: Iterable[str] = ()) -> list[str]:
        """Ask every pod for every user, and return what differs from the true counts.

        `others`: users who may have none.

        To be called when everything has come out. What the pods answer is the owners' RocksDB.
        """
        wrong = list(self.contradictions)
        wrong += [
            f"{key} was answered as {seen}, and is {counts.get(key, 0)}"
            for key, seen in self._highest.items()
            if seen > counts.get(key, 0)
        ]
        for name in sorted({name for name, _ in counts}.union(others)):
            true = {start: count for (of, start), count in counts.items() if of == name}
            for pod in self._pods():
                answer = self._ask_until_unmarked(pod, name)
                if answer != true:
                    wrong.append(f"pod {pod} on {name}: {_difference(answer, true)}")
                if len(wrong) >= ENOUGH:  # each may have taken the whole time allowed
                    return [*wrong, "and perhaps more: not asked further"]
        return wrong

    def _ask_until_unmarked(self, pod: int, name: str, timeout_s: float = 20) -> Windows | str:
        deadline_s = time.monotonic() + timeout_s
        while isinstance(answer := self._ask(pod, name), str) and time.monotonic() < deadline_s:
            time.sleep(0.1)
        return answer

    def _run(self) -> None:
        while not self._stop.wait(1 / ASKED_PER_S):
            name = user(int(self._chance.random() ** 2 * USERS))
            before = {key: seen for key, seen in self._highest.items() if key[0] == name}
            pods = self._pods()
            windows = self._ask(self._chance.choice(pods), name) if pods else "no pod runs"
            if isinstance(windows, str):
                continue
            for (of, start), seen in before.items():
                if windows.get(start, 0) < seen:
                    self.contradictions.append(f"{of}, window {start}: {windows.get(start, 0)} after {seen}")
            for start, clicks in windows.items():
                self._highest[name, start] = max(clicks, self._highest.get((name, start), 0))

    def _ask(self, pod: int, name: str) -> Windows | str:
        """Return the windows of an unmarked answer, page by page; in words why there is none."""
        url = f"http://{HOST}:{self._query_port + pod}/dashboard/users/{name}/metrics?detail=1&limit=1000"
        windows: Windows = {}
        following: str | None = ""
        try:
            while following is not None:
                with urllib.request.urlopen(url + following, timeout=3) as answer:  # noqa: S310 (http)
                    if (age_s := answer.headers.get(STALENESS)) is not None:
                        self.marked += 1
                        return f"the answer is marked as {age_s} s old"
                    document = json.load(answer)
                windows |= {window["window_start"]: window["clicks"] for window in document["windows"]}
                following = None if document["next"] is None else f"&to={document['next']}"
        except (OSError, ValueError) as error:
            self.refused += 1
            return f"{type(error).__name__}: {error}"
        self.answers += 1
        return windows


def _difference(windows: Windows | str, true: Windows) -> str:
    """Return what differs, in a few words."""
    if isinstance(windows, str):
        return f"no unmarked answer; at last {windows}"
    wrong = [start for start in sorted(windows.keys() | true.keys()) if windows.get(start) != true.get(start)]
    first = wrong[0]
    return f"{len(wrong)} windows are wrong, {first} is {windows.get(first)}, not {true.get(first)}"
