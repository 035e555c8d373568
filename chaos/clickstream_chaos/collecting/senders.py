"""Clients that send clicks without end, and send again what got no answer of success, with the same ids.

Some end their connection before the answer comes, as a page does that is left: such an answer counts for
nothing, and the batch goes again. So the topic has second records, as in life.
"""

import contextlib
import http.client
import json
import random
import threading
import time
from collections import Counter

from clickstream_local.machine.ports import HOST

from clickstream_chaos.collecting.checker import Event, Sent

CLIENTS = 4
MOST_EVENTS = 20  # of one request
DEAF_SHARE = 0.1  # of the attempts, whose answer nobody waits for
ANSWER_S = 60.0
PAUSE_S = 0.02  # between two attempts: a closed port is refused as fast as one can ask
USERS = 50


class Senders:
    """`start`, then `end`, which waits until each batch that was begun is answered with success."""

    def __init__(self, port: int, key: str, seed: int) -> None:
        self._port, self._key = port, key
        self._ended = threading.Event()
        self._given_up = threading.Event()
        self._chances = [
            random.Random(f"{seed}-{client}")  # noqa: S311
            for client in range(CLIENTS)
        ]
        self._sent: list[dict[str, Sent]] = [{} for _ in range(CLIENTS)]
        self._statuses: list[Counter[int]] = [Counter() for _ in range(CLIENTS)]
        self._threads = [
            threading.Thread(target=self._run, args=(client,), name=f"sender-{client}", daemon=True)
            for client in range(CLIENTS)
        ]

    def start(self) -> None:
        """Begin to send."""
        for thread in self._threads:
            thread.start()

    def end(self, timeout_s: float) -> bool:
        """Begin no more batches; return whether all that were begun got their answer in time."""
        self._ended.set()
        deadline_s = time.monotonic() + timeout_s
        started = [thread for thread in self._threads if thread.ident is not None]
        for thread in started:
            thread.join(max(0.0, deadline_s - time.monotonic()))
        well = not any(thread.is_alive() for thread in started)
        self._given_up.set()
        for thread in started:
            thread.join(2 * ANSWER_S)
        return well

    @property
    def sent(self) -> dict[str, Sent]:
        """Return all events by their id; read it when the senders have ended."""
        return {name: each for one in self._sent for name, each in one.items()}

    @property
    def statuses(self) -> dict[int, int]:
        """Return how often each status was answered; 0 is for no answer."""
        return dict(sum(self._statuses, Counter()))

    @property
    def successes(self) -> int:
        """Return how many requests were answered with success so far."""
        return sum(each[200] for each in self._statuses)

    def _run(self, client: int) -> None:
        number, chance = 0, self._chances[client]
        connection = self._connection()
        while not self._ended.is_set():
            batch = []
            for _ in range(chance.randint(1, MOST_EVENTS)):
                name = f"{client}-{number}"
                batch.append(Sent(Event(name, f"user-{chance.randrange(USERS)}", f"/page/{number}")))
                self._sent[client][name] = batch[-1]
                number += 1
            while not self._given_up.is_set() and not self._is_answered(connection, batch, client):
                connection.close()
                self._given_up.wait(PAUSE_S)
                connection = self._connection()
        connection.close()

    def _is_answered(self, connection: http.client.HTTPConnection, batch: list[Sent], client: int) -> bool:
        status = 0
        for each in batch:
            each.attempts += 1
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("POST", "/v1/clicks", _body(batch), {"X-Write-Key": self._key})
            if self._chances[client].random() < DEAF_SHARE:
                return False
            response = connection.getresponse()
            taken = response.read()
            status = response.status
            if status == 200 and json.loads(taken)["accepted"] != len(batch):
                raise AssertionError(f"a good batch was not taken whole: {taken!r}")
        self._statuses[client][status] += 1
        if status == 200:
            for each in batch:
                each.answered = True
        return status == 200

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(HOST, self._port, timeout=ANSWER_S)


def _body(batch: list[Sent]) -> str:
    events = [each.event for each in batch]
    return json.dumps(
        [
            {"user_id": e.user, "page_url": e.page, "action": "view", "message_id": e.message_id}
            for e in events
        ]
    )
