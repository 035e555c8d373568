"""Looks at databases go on in the background: nobody waits for one, and none is asked before it is time."""

import queue
import socket
import threading
from collections.abc import Iterator

import pytest
from clickstream_operator.database.facts import Look
from clickstream_operator.database.inspect import Target
from clickstream_operator.database.inspector import Inspector
from clickstream_operator.kube.store import Key

MANY = 8


class Silent:
    """A server that takes connections and never says a word."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self.connections: list[socket.socket] = []
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        while True:
            try:
                self.connections.append(self._socket.accept()[0])
            except OSError:
                return

    def close(self) -> None:
        """Close it, and all connections."""
        self._socket.close()
        for connection in self.connections:
            connection.close()


@pytest.fixture
def silent() -> Iterator[Silent]:
    server = Silent()
    yield server
    server.close()


def target(port: int, table: str = "user_profiles") -> Target:
    return Target("127.0.0.1", port, "shop", "public", table, "slot", "slot_again", "p", "me", "hunter2")


def test_nobody_waits_for_a_database_that_does_not_answer(silent: Silent) -> None:
    news: queue.Queue[Key] = queue.Queue()
    inspector = Inspector(3600, news.put)
    try:
        keys = [Key("shop", f"p{number}") for number in range(MANY)]
        first = [inspector.seen(key, target(silent.port)) for key in keys]
        assert all(look.is_pending for look in first), "the first answer is that nothing is known yet"
        assert {news.get(timeout=120) for _ in keys} == set(keys)
        looks = [inspector.seen(key, target(silent.port)) for key in keys]
        assert {look.problem for look in looks} == {
            f"127.0.0.1:{silent.port}, database shop: no answer in time"
        }
        assert len(silent.connections) == MANY, "not asked again before it is time"
    finally:
        inspector.stop()


def test_another_target_is_looked_at_at_once_and_the_old_answer_is_not_taken_for_it() -> None:
    news: queue.Queue[Key] = queue.Queue()
    inspector = Inspector(3600, news.put)
    try:
        key = Key("shop", "storefront")
        inspector.seen(key, target(1))
        news.get(timeout=60)
        assert "127.0.0.1:1" in inspector.seen(key, target(1)).problem
        assert "127.0.0.1:1" not in inspector.seen(key, target(2)).problem
        news.get(timeout=60)
        assert "127.0.0.1:2" in inspector.seen(key, target(2)).problem
        inspector.forget(key)
        inspector.seen(key, target(2))
        assert news.get(timeout=60) == key, "what was forgotten is looked at again"
    finally:
        inspector.stop()


def test_same_trouble_is_no_news() -> None:
    news: queue.Queue[Key] = queue.Queue()
    inspector = Inspector(0.05, news.put)
    try:
        key = Key("shop", "storefront")
        begun: set[float] = set()
        while len(begun) < 3:
            look: Look = inspector.seen(key, target(1))
            if look.begun_s:
                begun.add(look.begun_s)
        assert news.qsize() == 1
    finally:
        inspector.stop()
