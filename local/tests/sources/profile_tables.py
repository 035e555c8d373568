"""Kinds of profile tables as people have them, and one table with its connector and what comes of it."""

# ruff: noqa: S608 (the statements are the tests' own)

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import yaml
from clickstream_local.parts.connect import Connect
from clickstream_local.parts.kafka import Kafka
from clickstream_local.parts.postgres import Postgres
from clickstream_local.pipeline.reading import read_all
from clickstream_local.pipeline.reference import EXAMPLE
from clickstream_local.testing.fixtures import Topics
from clickstream_operator.manifests.connectors import directory_references, profiles_connector
from clickstream_operator.manifests.names import NOTIFICATIONS, internal_topic
from clickstream_operator.spec.clickpipeline import ClickPipeline, parse
from clickstream_operator.spec.tables import table_of

DEADLINE_S = 300
PARTITIONS = 2
TRUNCATE_DELETES = """
CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS
  $$BEGIN EXECUTE format('DELETE FROM %I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME); RETURN NULL; END$$;
CREATE TRIGGER truncate_deletes BEFORE TRUNCATE ON {table} EXECUTE FUNCTION {name}()
"""


@dataclass(frozen=True)
class Kind:
    """One kind of table: the SQL that makes it, and what the pipeline is told of it."""

    create: str
    table: str
    publish: str = ""  # options of the publication
    postgres: dict[str, Any] = field(default_factory=dict)
    transform: dict[str, str] = field(default_factory=dict)


def users(name: str, columns: str = "user_id text PRIMARY KEY, name text, country text") -> str:
    return f"CREATE TABLE {name} ({columns});"


KINDS = {
    "numbers": Kind(
        users(
            "public.numbers",
            "user_id bigint PRIMARY KEY, name int DEFAULT 5, country uuid, plan_tier smallint, "
            "at timestamptz, prefs jsonb, tags text[], points numeric(10,2), born date",
        )
        + "INSERT INTO numbers VALUES (42, 7, '00000000-0000-0000-0000-00000000000a', 2, now(), "
        """'{"a":1}', '{x,y}', 12.5, '2000-01-02')""",
        "public.numbers",
        postgres={"columns": ["name", "country", "plan_tier", "at", "prefs", "tags", "points", "born"]},
    ),
    "uuid": Kind(
        users("uuids", "user_id uuid PRIMARY KEY, name text")
        + "INSERT INTO uuids VALUES ('0b2b6c1e-41d8-4f0e-8a55-2a8d7a0d9f10', 'A')",
        "public.uuids",
    ),
    "numeric": Kind(
        users("numerics", "user_id numeric(20,0) PRIMARY KEY, name text")
        + "INSERT INTO numerics VALUES (9007199254740991, 'A'), (9007199254740993, 'B')",
        "public.numerics",
    ),
    "padded": Kind(
        users("padded", "user_id char(8) PRIMARY KEY, name text") + "INSERT INTO padded VALUES ('anna', 'A')",
        "public.padded",
    ),
    "domain": Kind(
        "CREATE EXTENSION IF NOT EXISTS citext; CREATE DOMAIN account AS integer CHECK (VALUE > 0);"
        + users("domains", "user_id account PRIMARY KEY, name citext, country varchar(2)")
        + "INSERT INTO domains VALUES (7, 'Ann', 'FR')",
        "public.domains",
    ),
    "surrogate": Kind(
        users("surrogates", "id bigserial PRIMARY KEY, user_id text NOT NULL UNIQUE, name text")
        + "INSERT INTO surrogates(user_id, name) VALUES ('a', 'A'), ('b', 'B'), ('c', 'C')",
        "public.surrogates",
    ),
    "identity index": Kind(
        users("indexed", "id bigserial PRIMARY KEY, user_id text NOT NULL UNIQUE, name text")
        + "ALTER TABLE indexed REPLICA IDENTITY USING INDEX indexed_user_id_key;"
        "INSERT INTO indexed(user_id, name) VALUES ('a', 'A'), ('b', 'B')",
        "public.indexed",
    ),
    "identity full": Kind(
        users("whole", "id bigserial PRIMARY KEY, user_id text NOT NULL UNIQUE, name text, prefs text")
        + "ALTER TABLE whole REPLICA IDENTITY FULL; ALTER TABLE whole ALTER prefs SET STORAGE EXTERNAL;"
        "INSERT INTO whole(user_id, name, prefs) VALUES ('a', 'A', repeat('p', 5000)), ('b', 'B', null)",
        "public.whole",
        transform={"prefs": "profile.prefs"},
    ),
    "truncated": Kind(
        users("truncated") + "INSERT INTO truncated VALUES ('a', 'A', 'US')", "public.truncated"
    ),
    "emptied by hand": Kind(
        users("by_hand") + "INSERT INTO by_hand VALUES ('a', 'A', 'US'), ('b', 'B', 'US')", "public.by_hand"
    ),
    "truncate deletes": Kind(
        users("emptied")
        + TRUNCATE_DELETES.format(name="truncate_deletes", table="emptied")
        + ";INSERT INTO emptied VALUES ('a', 'A', 'US'), ('b', 'B', 'US')",
        "public.emptied",
    ),
    "toast": Kind(
        users(
            "toasted",
            "user_id bigint PRIMARY KEY, name text, country text, prefs text, doc jsonb, raw bytea",
        )
        + "ALTER TABLE toasted ALTER prefs SET STORAGE EXTERNAL, ALTER doc SET STORAGE EXTERNAL,"
        " ALTER raw SET STORAGE EXTERNAL; INSERT INTO toasted VALUES (1, 'A', 'US', repeat('p', 5000),"
        " jsonb_build_object('d', repeat('d', 5000)), decode(repeat('ab', 5000), 'hex'))",
        "public.toasted",
        transform={"prefs": "profile.prefs", "doc": "profile.doc", "raw": "profile.raw"},
    ),
    "large": Kind(
        users("large", "user_id text PRIMARY KEY, name text, country text, avatar bytea, prefs text")
        + "INSERT INTO large VALUES ('a', 'A', 'US', null, 'p'), ('b', 'B', 'US', null, 'p')",
        "public.large",
        transform={"prefs": "profile.prefs"},
    ),
    "quoted": Kind(
        'CREATE SCHEMA "tenant-1";'
        + users('"tenant-1"."User Profiles"', '"User ID" integer PRIMARY KEY, name text, "Plan, Tier:" text')
        + users('"tenant-1"."user profiles"', '"User ID" integer PRIMARY KEY, name text')
        + """INSERT INTO "tenant-1"."User Profiles" VALUES (1, 'A', 'gold');"""
        + """INSERT INTO "tenant-1"."user profiles" VALUES (9, 'not this table')""",
        '"tenant-1"."User Profiles"',
        postgres={"key": "User ID", "columns": ["name", "Plan, Tier:"]},
    ),
    "partitioned": Kind(
        "CREATE TABLE parted (user_id text PRIMARY KEY, name text, country text) PARTITION BY HASH (user_id);"
        "CREATE TABLE parted_0 PARTITION OF parted FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
        "CREATE TABLE parted_1 PARTITION OF parted FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
        "INSERT INTO parted SELECT 'u' || n, 'A', 'US' FROM generate_series(1, 4) n",
        "public.parted",
        publish=" WITH (publish_via_partition_root = true)",
    ),
}


def pipeline_of(kind: str, server: Postgres, profiles: str) -> ClickPipeline:
    document = yaml.safe_load(EXAMPLE.read_text())
    table, spec = KINDS[kind], document["spec"]
    spec["id"] = f"tables.{kind.replace(' ', '-')}"
    spec["source"]["postgres"] |= {"host": "127.0.0.1", "port": server.port, "database": "tables"}
    spec["source"]["postgres"] |= {"table": table.table, **table.postgres}
    spec["topics"] = {"profiles": profiles}
    spec.setdefault("processing", {})["transform"] = {"set": table.transform}
    return parse(document)


class Table:
    """A table with its connector, and what has come of it."""

    def __init__(self, kind: str, server: Postgres, worker: Connect, kafka: Kafka, topics: Topics) -> None:
        self.kind = kind
        self.topic = topics.create(topics.unique("profiles"), PARTITIONS, cleanup_policy="compact")
        self.pipeline = pipeline_of(kind, server, self.topic)
        topics.create(internal_topic(self.pipeline, NOTIFICATIONS))
        self.name = kind.replace(" ", "-")
        self._server, self._worker, self._kafka = server, worker, kafka

    def start(self) -> None:
        """Make the table and its publication, and put the connector."""
        with self._server.connect("tables") as here:
            here.execute(KINDS[self.kind].create.encode())
            table = table_of(KINDS[self.kind].table).sql
            publication = self.pipeline.postgres.publication
            here.execute(
                f"CREATE PUBLICATION {publication} FOR TABLE {table}{KINDS[self.kind].publish}".encode()
            )
        reference = directory_references(self.pipeline, str(self._worker.secrets))
        self._worker.put(self.name, profiles_connector(self.pipeline, reference).rest())

    def run(self, *statements: str) -> None:
        """Change the table, a transaction a statement."""
        with self._server.connect("tables") as here:
            for statement in statements:
                here.execute(statement.encode())

    def rows(self) -> dict[str, Any]:
        """Return the table that the topic stands for, the notices in it."""
        found: dict[str, Any] = {}
        for message in read_all(self._kafka.bootstrap, self.topic):
            key, value = message.key(), message.value()
            assert key is not None
            found[str(key, "utf-8")] = msgspec.json.decode(value) if value else None
        return found

    def wait(self, what: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the rows once they are as wanted. The connector must run all the while."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            rows = self.rows()
            if holds(rows):
                self._worker.wait_until_running(self.name)
                return rows
            self._worker.wait_until_running(self.name)
            assert time.monotonic() < deadline, f"{what} after {DEADLINE_S} s; the topic holds {rows}"
            time.sleep(0.2)

    def sees(self, key: str, **columns: Any) -> dict[str, Any]:
        """Wait until the row of this user has these columns, and return it."""
        rows = self.wait(f"no {columns} of {key}", lambda rows: _has(rows.get(key), columns))
        return dict(rows[key])

    def forgets(self, key: str) -> None:
        """Wait until the user's row is gone."""
        self.wait(f"{key} is not gone", lambda rows: key in rows and rows[key] is None)

    def notice(self, reason: str) -> dict[str, Any]:
        """Wait for a notice, and return it."""
        key = f"clickstream:refused:{reason}"
        return dict(self.wait(f"no notice {reason}", lambda rows: key in rows)[key])


def _has(row: dict[str, Any] | None, columns: dict[str, Any]) -> bool:
    return row is not None and all(name in row and row[name] == value for name, value in columns.items())
