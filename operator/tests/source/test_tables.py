"""Tables as people have them, on a real PostgreSQL: each is found out, and the SQL that is said fixes it."""

import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest
from clickstream_local.machine.ports import HOST
from clickstream_local.parts.postgres import Postgres
from clickstream_operator.database.facts import Facts
from clickstream_operator.database.inspect import DatabaseUnreachable, Target, look
from clickstream_operator.source.finding import Finding, Severity
from clickstream_operator.source.findings import REASONS, findings_of
from clickstream_operator.source.wanted import wanted_of
from clickstream_operator.spec.clickpipeline import parse
from operator_support.documents import changed
from psycopg import sql

pytest_plugins = ["clickstream_local.testing.fixtures"]
pytestmark = pytest.mark.timeout(600)

_numbers = itertools.count()
COLUMNS = "name text, email text, country text, plan_tier text"
GUARD = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION $$no$$; END';
CREATE TRIGGER guard BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse();
"""
PUBLISH = "CREATE PUBLICATION shop_storefront FOR TABLE {table};"
GRANT = "GRANT USAGE ON SCHEMA {schema} TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO reader;"


class Source:
    """A database of its own, the pipeline's user, and a spec that names a table of it."""

    def __init__(self, postgres: Postgres, table: str = "public.user_profiles", key: str = "user_id") -> None:
        self._postgres = postgres
        self.database = f"kind_{next(_numbers)}"
        with postgres.connect() as server:
            server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self.database)))
            if not server.execute("SELECT 1 FROM pg_roles WHERE rolname = 'reader'").fetchone():
                server.execute("CREATE ROLE reader LOGIN REPLICATION PASSWORD 'secret'")
            server.execute("ALTER ROLE reader REPLICATION NOBYPASSRLS")
        changes = {"source.postgres.table": table, "source.postgres.key": key}
        changes["source.postgres.database"] = self.database
        self.wanted = wanted_of(parse(changed(changes)))

    def run(self, statements: str, user: str = "postgres") -> None:
        """Run SQL, as a person would."""
        with self._postgres.connect(self.database, user) as here:
            here.execute(statements.encode())

    async def look(self) -> Facts:
        wanted, port = self.wanted, self._postgres.port
        return await look(
            Target(
                HOST,
                port,
                self.database,
                wanted.schema,
                wanted.name,
                wanted.slot,
                f"{wanted.slot}_again",
                wanted.publication,
                "reader",
                "secret",
            )
        )

    async def findings(self, has_run: bool = False) -> list[Finding]:
        return findings_of(self.wanted, await self.look(), has_run)


@pytest.fixture
def source(postgres: Postgres) -> Iterator[Source]:
    """Give a database whose table is as the documentation says."""
    source = Source(postgres)
    source.run(f"CREATE TABLE public.user_profiles (user_id text PRIMARY KEY, {COLUMNS});")
    table = "public.user_profiles"
    source.run(PUBLISH.format(table=table) + GUARD.format(table=table) + GRANT.format(schema="public"))
    yield source
    with postgres.connect() as server:
        server.execute(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active"
        )


# Kind of table -> what makes it of the documented one, and what is to be found.
KINDS: dict[str, tuple[str, str]] = {
    "surrogate primary key": (
        "ALTER TABLE user_profiles DROP CONSTRAINT user_profiles_pkey; ALTER TABLE user_profiles "
        "ADD COLUMN id bigserial PRIMARY KEY, ADD CONSTRAINT one_user UNIQUE (user_id), "
        "ALTER COLUMN user_id SET NOT NULL;",
        "ReplicaIdentityWithoutKey",
    ),
    "no primary key at all": (
        "ALTER TABLE user_profiles DROP CONSTRAINT user_profiles_pkey; "
        "CREATE UNIQUE INDEX ON user_profiles (user_id);",
        "ReplicaIdentityWithoutKey",
    ),
    "replica identity nothing": (
        "ALTER TABLE user_profiles REPLICA IDENTITY NOTHING;",
        "ReplicaIdentityWithoutKey",
    ),
    "replica identity by another index": (
        "ALTER TABLE user_profiles ALTER COLUMN email SET NOT NULL; CREATE UNIQUE INDEX mail "
        "ON user_profiles (email); ALTER TABLE user_profiles REPLICA IDENTITY USING INDEX mail;",
        "ReplicaIdentityWithoutKey",
    ),
    "composite key": (
        "ALTER TABLE user_profiles DROP CONSTRAINT user_profiles_pkey; "
        "ALTER TABLE user_profiles ADD COLUMN tenant text, ADD PRIMARY KEY (tenant, user_id);",
        "CompositeKey",
    ),
    "key that is not unique": (
        "ALTER TABLE user_profiles DROP CONSTRAINT user_profiles_pkey; "
        "ALTER TABLE user_profiles ALTER COLUMN user_id SET NOT NULL, REPLICA IDENTITY FULL;",
        "KeyNotUnique",
    ),
    "key that is unique for some rows": (
        "ALTER TABLE user_profiles DROP CONSTRAINT user_profiles_pkey; "
        "CREATE UNIQUE INDEX living ON user_profiles (user_id) WHERE country <> ''; "
        "ALTER TABLE user_profiles REPLICA IDENTITY FULL, ALTER COLUMN user_id SET NOT NULL;",
        "KeyNotUnique",
    ),
    "key that is unique only at the commit": (
        "ALTER TABLE user_profiles DROP CONSTRAINT user_profiles_pkey; "
        "ALTER TABLE user_profiles ADD CONSTRAINT late UNIQUE (user_id) DEFERRABLE, "
        "REPLICA IDENTITY FULL, ALTER COLUMN user_id SET NOT NULL;",
        "KeyNotUnique",
    ),
    "key that may be null": (
        "ALTER TABLE user_profiles DROP CONSTRAINT user_profiles_pkey; CREATE UNIQUE INDEX ON user_profiles "
        "(user_id); ALTER TABLE user_profiles ALTER COLUMN user_id DROP NOT NULL, REPLICA IDENTITY FULL;",
        "KeyNullable",
    ),
    "key of another name": (
        "ALTER TABLE user_profiles RENAME COLUMN user_id TO customer;",
        "KeyColumnMissing",
    ),
    "generated column that is read": (
        "ALTER TABLE user_profiles DROP COLUMN name, ADD COLUMN first text, "
        "ADD COLUMN name text GENERATED ALWAYS AS (upper(first)) STORED;",
        "GeneratedColumns",
    ),
    "renamed column": ("ALTER TABLE user_profiles RENAME COLUMN country TO land;", "ColumnsMissing"),
    "no publication": ("DROP PUBLICATION shop_storefront;", "PublicationMissing"),
    "publication without the table": (
        "ALTER PUBLICATION shop_storefront DROP TABLE user_profiles;",
        "NotPublished",
    ),
    "publication without deletes": (
        "ALTER PUBLICATION shop_storefront SET (publish = 'insert, update');",
        "ChangesNotPublished",
    ),
    "publication of some columns": (
        "ALTER PUBLICATION shop_storefront SET TABLE user_profiles (user_id, name);",
        "ColumnsNotPublished",
    ),
    "publication of some rows": (
        "ALTER PUBLICATION shop_storefront SET TABLE user_profiles WHERE (user_id <> '');",
        "RowFilter",
    ),
    "unlogged table": (
        "DROP PUBLICATION shop_storefront; ALTER TABLE user_profiles SET UNLOGGED; "
        "CREATE PUBLICATION shop_storefront FOR ALL TABLES;",
        "NotLogged",
    ),
    "table that may not be read": ("REVOKE SELECT ON user_profiles FROM reader;", "MayNotRead"),
    "table with row security": (
        "ALTER TABLE user_profiles ENABLE ROW LEVEL SECURITY;",
        "RowsHidden",
    ),
    "user that may not replicate": ("ALTER ROLE reader NOREPLICATION;", "NoReplicationRight"),
    "table that can be truncated": ("DROP TRIGGER guard ON user_profiles;", "TruncateNotCarried"),
    "slot that reading again has left": (
        "SELECT pg_create_logical_replication_slot('shop_storefront_again', 'pgoutput');",
        "ReaderSlotLeft",
    ),
    "slot of another plugin": (
        "SELECT pg_create_logical_replication_slot('shop_storefront', 'test_decoding');",
        "SlotOfAnother",
    ),
}
# Found, and no SQL can fix it.
HOPELESS: dict[str, tuple[str, str]] = {
    "no table": ("ALTER TABLE user_profiles RENAME TO customers;", "TableMissing"),
    "view": (
        "ALTER TABLE user_profiles RENAME TO customers; "
        "CREATE VIEW user_profiles AS SELECT * FROM customers; GRANT SELECT ON user_profiles TO reader;",
        "NotATable",
    ),
    "table with heirs": ("CREATE TABLE more () INHERITS (user_profiles);", "HasChildTables"),
    "key of another name, and no telling which": (
        "ALTER TABLE user_profiles RENAME COLUMN user_id TO customer; "
        "CREATE UNIQUE INDEX ON user_profiles (email);",
        "KeyColumnMissing",
    ),
}


async def test_documented_table_is_found_in_order(source: Source) -> None:
    assert await source.findings() == []


@pytest.mark.parametrize(("makes", "reason"), KINDS.values(), ids=KINDS)
async def test_table_of_a_kind_is_found_out_and_mended_by_the_sql_that_is_said(
    makes: str, reason: str, source: Source
) -> None:
    source.run(makes)
    found = await source.findings()
    assert reason in [finding.reason for finding in found]
    for finding in found:
        source.run(finding.sql)
    assert await source.findings() == []


@pytest.mark.parametrize(("makes", "reason"), HOPELESS.values(), ids=HOPELESS)
async def test_table_that_no_sql_mends_is_found_out(makes: str, reason: str, source: Source) -> None:
    source.run(makes)
    (finding,) = await source.findings()
    assert finding.reason == reason
    assert finding.severity is Severity.REFUSE
    assert not finding.sql


def partitioned(parent: str, key: str = "user_id") -> str:
    return (
        f"CREATE TABLE {parent} ({key} text PRIMARY KEY, {COLUMNS}) PARTITION BY HASH ({key}); "
        f"CREATE TABLE public.one PARTITION OF {parent} FOR VALUES WITH (MODULUS 2, REMAINDER 0); "
        f"CREATE TABLE public.two PARTITION OF {parent} FOR VALUES WITH (MODULUS 2, REMAINDER 1); "
    )


async def test_partitioned_table_is_mended_by_publishing_through_its_root(postgres: Postgres) -> None:
    source = Source(postgres)
    source.run(partitioned("public.user_profiles") + PUBLISH.format(table="public.user_profiles"))
    source.run(GRANT.format(schema="public"))
    found = await source.findings()
    assert [f.reason for f in found] == ["PartitionsNotPublishedThroughRoot", "TruncateNotCarried"]
    for finding in found:
        source.run(finding.sql)
    assert await source.findings() == []
    # The identity that counts is each partition's own.
    source.run("ALTER TABLE public.two REPLICA IDENTITY NOTHING")
    (finding,) = await source.findings()
    assert finding.reason == "ReplicaIdentityWithoutKey"
    source.run(finding.sql)
    assert await source.findings() == []


async def test_partition_that_is_published_under_its_root_is_found_out(postgres: Postgres) -> None:
    source = Source(postgres, table="public.one")
    source.run(partitioned("public.whole") + GRANT.format(schema="public"))
    source.run(
        "CREATE PUBLICATION shop_storefront FOR TABLE public.whole WITH (publish_via_partition_root = true)"
    )
    assert "PublishedUnderItsRoot" in [finding.reason for finding in await source.findings()]


async def test_publication_that_is_missing_is_made_for_a_partitioned_table(postgres: Postgres) -> None:
    source = Source(postgres)
    source.run(partitioned("public.user_profiles") + GRANT.format(schema="public"))
    for finding in await source.findings():
        source.run(finding.sql)
    assert await source.findings() == []


async def test_names_that_need_quotes_are_quoted_in_the_sql(postgres: Postgres) -> None:
    source = Source(postgres)
    wanted = source.wanted = replace(source.wanted, schema="tenant-1", name='User "P"', key="user")
    source.run(
        'CREATE SCHEMA "tenant-1"; CREATE TABLE "tenant-1"."User ""P""" (id serial PRIMARY KEY, "user" text)'
    )
    assert await source.findings(), "nothing is granted, published, unique"
    for _ in range(2):  # what may not be read shows no more than that
        for finding in await source.findings():
            source.run(finding.sql)
    assert await source.findings() == []
    assert wanted.key == "user"


async def test_truncate_reaches_the_log_row_by_row_once_the_sql_was_run(
    source: Source, postgres: Postgres
) -> None:
    source.run("DROP TRIGGER guard ON user_profiles; INSERT INTO user_profiles VALUES ('alice')")
    (finding,) = await source.findings()
    assert finding.severity is Severity.WARN
    source.run(finding.sql)
    source.run("SELECT pg_create_logical_replication_slot('look', 'test_decoding')")
    source.run("TRUNCATE user_profiles")
    with postgres.connect(source.database) as here:
        changes = here.execute("SELECT data FROM pg_logical_slot_get_changes('look', NULL, NULL)").fetchall()
    assert "table public.user_profiles: DELETE: user_id[text]:'alice'" in [row[0] for row in changes]


async def test_generated_column_keeps_its_values_and_goes_on_being_filled(
    source: Source, postgres: Postgres
) -> None:
    source.run(KINDS["generated column that is read"][0])
    source.run("INSERT INTO user_profiles (user_id, first) VALUES ('alice', 'ann')")
    for finding in await source.findings():
        source.run(finding.sql)
    source.run("INSERT INTO user_profiles (user_id, first) VALUES ('bob', 'bo')")
    source.run("UPDATE user_profiles SET first = 'anna' WHERE user_id = 'alice'")
    with postgres.connect(source.database) as here:
        rows = here.execute("SELECT user_id, name FROM user_profiles ORDER BY 1").fetchall()
    assert rows == [("alice", "ANNA"), ("bob", "BO")]


async def test_generated_column_that_nothing_reads_is_let_be(source: Source) -> None:
    source.run("ALTER TABLE user_profiles ADD COLUMN loud text GENERATED ALWAYS AS (upper(name)) STORED;")
    assert await source.findings() == []


async def test_slot_that_nobody_reads_may_be_a_former_pipelines(source: Source) -> None:
    source.run("SELECT pg_create_logical_replication_slot('shop_storefront', 'pgoutput')")
    assert await source.findings() == []


async def test_every_reason_is_found_by_a_kind_of_table() -> None:
    elsewhere = {"PartitionsNotPublishedThroughRoot", "PublishedUnderItsRoot", "WalLevel", "NoSlotFree"}
    assert {reason for _, reason in (KINDS | HOPELESS).values()} | elsewhere == set(REASONS)


async def test_server_that_does_not_answer_or_let_in_is_said_without_the_password(postgres: Postgres) -> None:
    nobody = (HOST, 1, "reader"), ("no.such.host.invalid", 5432, "reader"), (HOST, postgres.port, "me")
    for host, port, user in nobody:
        target = Target(host, port, "shop", "public", "t", "s", "r", "p", user, "hunter2")
        with pytest.raises(DatabaseUnreachable) as unreachable:
            await look(target)
        assert host in str(unreachable.value)
        assert "hunter2" not in str(unreachable.value) + repr(target)
