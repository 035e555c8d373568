"""A slot that was dropped, and the table read again: PostgreSQL, Debezium, the pipeline's configuration.

What the operator has Strimzi do is done here through Connect's interface.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import yaml
from clickstream_local.machine.web import request
from clickstream_local.parts.connect import Connect, build_sink
from clickstream_local.parts.kafka import Kafka
from clickstream_local.parts.postgres import Postgres
from clickstream_local.pipeline.reading import read_all
from clickstream_local.pipeline.reference import EXAMPLE
from clickstream_local.testing.eventually import eventually
from clickstream_local.testing.fixtures import Topics
from clickstream_operator.database.quoting import reader_slot
from clickstream_operator.manifests.connectors import directory_references, profiles_connector
from clickstream_operator.manifests.names import NOTIFICATIONS, internal_topic
from clickstream_operator.source.resnapshot import reader
from clickstream_operator.spec.clickpipeline import parse

DATABASE = "again"
CONNECTOR, READER = "again-profiles", "again-profiles-1"
# While a slot is being made it is active, too, and has its position a moment before it is let go: only who
# streams has read the table. (The operator looks twice.)
STREAMED = """
SELECT slot.confirmed_flush_lsn IS NOT NULL AND sender.state IN ('catchup', 'streaming')
FROM pg_replication_slots slot JOIN pg_stat_replication sender ON sender.pid = slot.active_pid
WHERE slot.slot_name = %s
"""
TABLE = """
CREATE TABLE public.user_profiles (user_id text PRIMARY KEY, name text, email text, country text,
  plan_tier text);
INSERT INTO user_profiles (user_id, country) VALUES ('ann', 'US'), ('bob', 'US'), ('eve', 'US');
"""


class Source:
    """A table, its connector, and what has come of it."""

    def __init__(self, postgres: Postgres, worker: Connect, kafka: Kafka, topics: Topics) -> None:
        self._postgres, self._worker, self._kafka = postgres, worker, kafka
        self.topic = topics.create(topics.unique("profiles"), 2, cleanup_policy="compact")
        spec = yaml.safe_load(EXAMPLE.read_text())
        spec["spec"]["id"] = "shop.again"
        where = {"host": "127.0.0.1", "port": postgres.port, "database": DATABASE}
        spec["spec"]["source"]["postgres"] |= where
        spec["spec"]["topics"] = {"profiles": self.topic}
        self._pipeline = parse(spec)
        self.slot = str(self._pipeline.postgres.slot)
        self.second = reader_slot(self.slot)
        self._notices = topics.create(internal_topic(self._pipeline, NOTIFICATIONS))

    def start(self) -> None:
        """Make table and publication, and put the connector."""
        self._postgres.execute("CREATE DATABASE again")
        self.run(
            TABLE,
            f"CREATE PUBLICATION {self._pipeline.postgres.publication} FOR TABLE user_profiles",
        )
        reference = directory_references(self._pipeline, str(self._worker.secrets))
        self._worker.put(CONNECTOR, profiles_connector(self._pipeline, reference).rest())

    def connection(self) -> psycopg.Connection:
        """Return a connection to the database."""
        return self._postgres.connect(DATABASE)

    def run(self, *statements: str) -> None:
        """Run SQL, a transaction a statement."""
        with self.connection() as here:
            for statement in statements:
                here.execute(statement.encode())

    def order(self, method: str, what: str, name: str = CONNECTOR) -> None:
        """Tell Connect something about a connector; it takes nothing while its tasks are shared anew."""
        url = f"{self._worker.url}/connectors/{name}/{what}"
        eventually(lambda: request(method, url, timeout_s=60).ok, f"{method} {what} is taken")

    def stop(self, name: str = CONNECTOR) -> None:
        """Stop a connector, and wait until it has."""
        self.order("PUT", "stop", name)
        eventually(lambda: self._worker.status(name)["connector"]["state"] == "STOPPED", "stopped")
        eventually(lambda: self._worker.status(name)["tasks"] == [], "without tasks")

    def start_reader(self) -> None:
        """Put the connector that reads the table again."""
        reference = directory_references(self._pipeline, str(self._worker.secrets))
        self._worker.put(READER, reader(self._pipeline, reference, "1").rest())

    def remove_reader(self) -> None:
        """Remove it."""
        self._worker.delete(READER)

    def has_slot(self, slot: str) -> bool:
        """Tell whether there is a slot."""
        with self.connection() as here:
            question = "SELECT 1 FROM pg_replication_slots WHERE slot_name = %s"
            return here.execute(question, [slot]).fetchone() is not None

    def is_read(self, slot: str = "") -> bool:
        """Tell whether somebody reads a slot, by itself the connector's."""
        with self.connection() as here:
            found = here.execute(STREAMED, [slot or self.slot]).fetchone()
        return bool(found and found[0])

    def rows(self) -> dict[str, str | None]:
        """Return each user's country as the topic has it; None for a tombstone."""
        found: dict[str, str | None] = {}
        for message in read_all(self._kafka.bootstrap, self.topic):
            value = message.value()
            found[(message.key() or b"").decode()] = json.loads(value)["country"] if value else None
        return found

    def snapshots(self) -> int:
        """Return how many snapshots were said to be complete."""
        notices = [m.value() or b"" for m in read_all(self._kafka.bootstrap, self._notices)]
        return sum(b"Initial Snapshot" in notice and b'"COMPLETED"' in notice for notice in notices)


@pytest.fixture(scope="module")
def source(postgres: Postgres, kafka: Kafka, parts_folder: Path) -> Iterator[Source]:
    """Give a table with its connector."""
    build_sink()
    worker = Connect(parts_folder / "again", kafka, quick=True)
    for name, value in (("username", "postgres"), ("password", "none")):
        secret = worker.secrets / "postgres-credentials" / name
        secret.parent.mkdir(parents=True, exist_ok=True)
        secret.write_text(value)
    worker.start()
    source = Source(postgres, worker, kafka, Topics(kafka))
    source.start()
    yield source
    worker.stop()


def test_dropped_slot_is_a_gap_that_the_connector_does_not_notice_and_reading_again_closes(
    source: Source,
) -> None:
    eventually(lambda: source.rows() == {"ann": "US", "bob": "US", "eve": "US"}, "in the topic")
    eventually(source.is_read, "read")
    source.stop()
    eventually(lambda: not source.is_read(), "left")
    source.run(
        f"SELECT pg_drop_replication_slot('{source.slot}')",
        "UPDATE user_profiles SET country = 'FR' WHERE user_id = 'ann'",
        "DELETE FROM user_profiles WHERE user_id = 'eve'",
        "INSERT INTO user_profiles (user_id, country) VALUES ('gap', 'US')",
    )
    source.order("PUT", "resume")
    eventually(source.is_read, "read")
    source.run("INSERT INTO user_profiles (user_id, country) VALUES ('new', 'US')")
    eventually(lambda: "new" in source.rows(), "the new row there")
    assert source.rows() == {"ann": "US", "bob": "US", "eve": "US", "new": "US"}, "this is what the gap costs"
    assert source.snapshots() == 1

    # Read again, with a slot of its own, while the connector stands; meanwhile people go on working.
    source.stop()
    source.run(
        "DELETE FROM user_profiles WHERE user_id = 'bob'",
        "UPDATE user_profiles SET country = 'DE' WHERE user_id = 'new'",
    )
    source.start_reader()
    eventually(lambda: source.is_read(source.second), "read, which means that the snapshot is complete")
    source.stop(READER)
    eventually(lambda: not source.has_slot(source.second), "dropped")
    source.remove_reader()
    source.run("DELETE FROM user_profiles WHERE user_id = 'ann'")
    source.order("PUT", "resume")
    eventually(lambda: source.rows().get("ann", "") is None, "gone on")
    rows = source.rows()
    assert rows["gap"] == "US"
    assert rows["new"] == "DE"
    assert rows["bob"] is None, "a row that was deleted while the connector stood is gone"
    assert rows["eve"] == "US", "a row that was deleted in the gap stays: no log has its deletion"
    eventually(lambda: source.snapshots() == 2, "told")
