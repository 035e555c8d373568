"""Clicks that are past what the index keeps, and a cluster that can take no more indices (B23)."""

import time
from collections.abc import Iterator

import pytest
from clickstream_local.parts.search import SearchEngine, call
from clickstream_local.testing.eventually import eventually
from indexing import DAY_MS, Indexing, click
from test_sink_metrics import scraped

YEAR_MS = 365 * DAY_MS
FILLER = "filler"


@pytest.fixture
def shards(engine: SearchEngine) -> Iterator["Shards"]:
    """Give the cluster's limit of shards; taken off afterwards."""
    limit = Shards(engine)
    one = {"settings": {"number_of_shards": 1, "number_of_replicas": 0}}
    answer = call(engine, "PUT", f"/{FILLER}", one)  # the least limit is 1: for no room there must be a shard
    assert answer.ok, answer.body
    yield limit
    limit.set(None)
    call(engine, "DELETE", f"/{FILLER}")


class Shards:
    """How many shards the cluster takes."""

    def __init__(self, engine: SearchEngine) -> None:
        self._engine = engine

    def leave_room_for(self, indices: int) -> None:
        """Allow so many indices of one shard more than there are."""
        answer = call(self._engine, "GET", "/_cat/shards?h=index")
        self.set(len(answer.body.split()) + indices)

    def set(self, limit: int | None) -> None:
        """Set the limit, None: the engine's own."""
        body = {"persistent": {"cluster.max_shards_per_node": limit}}
        answer = call(self._engine, "PUT", "/_cluster/settings", body)
        assert answer.ok, answer.body


def test_years_old_clicks_make_no_index_and_hold_up_nobody(
    indexing: Indexing, shards: Shards, exporter_port: int
) -> None:
    now_ms = int(time.time() * 1000)
    old = [click(number, now_ms - (1 + number % 15) * YEAR_MS)[1] for number in range(150)]
    new = [click(1_000 + number, now_ms)[1] for number in range(600)]
    indexing.produce([*new[:300], *old, *new[300:]])
    shards.leave_room_for(2)  # today's, and tomorrow's at midnight
    indexing.start({"index.retention.days": "30"})
    indexing.wait_for(600)
    eventually(lambda: indexing.committed() == 750, "committed")

    assert len(indexing.indices()) == 1
    assert indexing.dead_letters() == []
    found = eventually(lambda: scraped(exporter_port, indexing.name), "metrics")
    assert found["clickstream_sink_documents_expired_total"] == 150
    assert found["clickstream_sink_documents_indexed_total"] == 600


def test_an_index_beyond_the_limit_of_shards_is_told_waited_for_and_made_once_there_is_room(
    indexing: Indexing, shards: Shards, exporter_port: int
) -> None:
    indexing.produce(click(number)[1] for number in range(100))
    shards.leave_room_for(0)
    indexing.start()

    def blocked_s() -> float:
        return scraped(exporter_port, indexing.name).get("clickstream_sink_blocked_seconds", 0.0)

    eventually(lambda: blocked_s() > 2, "told")
    eventually(lambda: indexing.states() == {"RUNNING"}, "its tasks run")
    assert indexing.committed() == 0
    shards.leave_room_for(1)
    indexing.wait_for(100)
    assert indexing.dead_letters() == []
    eventually(lambda: blocked_s() == 0, "the sink has heard of it")
