"""Asks a database about a pipeline's table, publication and slot. It only reads, as the connector's user.

Every wait has an end, so that a database that is away costs a few seconds and no more.
"""

import json
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from clickstream_operator.database.facts import (
    PARTITIONED,
    Column,
    Facts,
    Index,
    Publication,
    Slot,
    Storage,
    Table,
    position,
)

TIMEOUT_S = 5.0
_SETTINGS = {
    "application_name": "clickstream-operator",
    "default_transaction_read_only": "on",
    "statement_timeout": str(int(TIMEOUT_S * 1000)),
    "lock_timeout": str(int(TIMEOUT_S * 1000)),
}
_STATISTICS_OF_SLOTS = 140_000  # the version that has them

_SERVER = """
SELECT current_setting('server_version_num')::int AS version, current_setting('wal_level') AS wal_level,
  (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END)::text
    AS log_end,
  CASE WHEN pg_is_in_recovery() THEN '' ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END AS timeline,
  current_user::text AS "user",
  EXISTS (SELECT FROM pg_roles r WHERE pg_has_role(r.oid, 'member')
    AND (r.rolname = current_user AND (r.rolreplication OR r.rolsuper) OR r.rolname = 'rds_replication'))
    AS may_replicate,
  current_setting('max_replication_slots')::int - (SELECT count(*) FROM pg_replication_slots)::int
    AS free_slots,
  coalesce((SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()), 0) AS commits
"""
_IDENTIFIER = "SELECT system_identifier::text FROM pg_control_system()"
_TABLE = """
SELECT c.oid, c.relkind::text AS kind, c.relpersistence = 'p' AS is_logged, c.relispartition AS is_partition,
  (SELECT count(*) FROM pg_inherits i JOIN pg_class k ON k.oid = i.inhrelid
    WHERE i.inhparent = c.oid AND NOT k.relispartition)::int AS inheritors,
  has_schema_privilege(n.oid, 'USAGE')
    AND (has_table_privilege(c.oid, 'SELECT') OR has_any_column_privilege(c.oid, 'SELECT')) AS may_read,
  row_security_active(c.oid) AS hides_rows
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
"""
_COLUMNS = """
SELECT a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS not_null,
  CASE WHEN a.attgenerated <> '' THEN pg_get_expr(d.adbin, d.adrelid) ELSE '' END AS expression
FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_PARTITIONS = "SELECT relid::oid AS oid FROM pg_partition_tree($1::oid::regclass) WHERE isleaf"
_UNIQUE = """
SELECT i.indrelid AS table, k.relname::text AS name, i.indisprimary AS is_primary,
  array_agg(a.attname::text ORDER BY p.place) AS columns
FROM pg_index i JOIN pg_class k ON k.oid = i.indexrelid
CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY p(number, place)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = p.number
WHERE i.indrelid = ANY($1::oid[]) AND i.indisunique AND i.indisvalid AND i.indimmediate
  AND i.indpred IS NULL AND i.indexprs IS NULL AND p.place <= i.indnkeyatts
GROUP BY 1, 2, 3 ORDER BY i.indisprimary DESC, 2
"""
_STORAGE = """
SELECT c.oid, n.nspname::text AS schema, c.relname::text AS name, c.relreplident::text AS identity,
  coalesce((SELECT array_agg(a.attname::text) FROM pg_index i
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
    WHERE i.indrelid = c.oid
      AND CASE c.relreplident WHEN 'i' THEN i.indisreplident WHEN 'd' THEN i.indisprimary ELSE false END),
    '{}') AS identity_columns,
  EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal
    AND t.tgenabled IN ('O', 'A') AND t.tgtype & 2 = 2 AND t.tgtype & 32 = 32) AS has_truncate_trigger
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY($1::oid[]) ORDER BY 2, 3
"""
# As JSON: later versions have more columns.
_PUBLICATION = "SELECT to_jsonb(p) FROM pg_publication p WHERE pubname = $1"
_PUBLISHED = """
SELECT to_jsonb(t) FROM pg_publication_tables t WHERE pubname = $1 AND schemaname = $2 AND tablename = $3
"""
_LISTED = """
SELECT EXISTS (SELECT FROM pg_publication_tables t
  JOIN pg_namespace n ON n.nspname = t.schemaname
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename
  WHERE t.pubname = $1
    AND (c.oid = ANY($2::oid[]) OR c.oid IN (SELECT relid FROM pg_partition_ancestors($3::oid::regclass))))
"""
_SLOT = "SELECT to_jsonb(s) FROM pg_replication_slots s WHERE slot_name = $1"
_DECODED = "SELECT total_txns FROM pg_stat_replication_slots WHERE slot_name = $1"


class DatabaseUnreachable(Exception):
    """The database could not be looked at; the message says why. Ask again later."""


@dataclass(frozen=True, slots=True)
class Target:
    """What to look at, and as whom."""

    host: str
    port: int
    database: str
    schema: str
    table: str
    slot: str
    reader_slot: str
    publication: str
    user: str = field(repr=False)
    password: str = field(repr=False)


async def look(target: Target) -> Facts:
    """Return what the database says now. Raises Unreachable within a few time-outs."""
    where = f"{target.host}:{target.port}, database {target.database}"
    try:
        connection = await asyncpg.connect(
            host=target.host.strip("[]"),
            port=target.port,
            database=target.database,
            user=target.user,
            password=target.password,
            ssl="prefer",  # as the connector does
            timeout=TIMEOUT_S,
            command_timeout=TIMEOUT_S,
            server_settings=_SETTINGS,
        )
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise DatabaseUnreachable(f"{where}: {_said(error)}") from error
    try:
        return await _facts(connection, target)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise DatabaseUnreachable(f"{where}: {_said(error)}") from error
    finally:
        connection.terminate()  # without waiting for a server that may be gone


def _said(error: Exception) -> str:
    return str(error) or ("no answer in time" if isinstance(error, TimeoutError) else type(error).__name__)


async def _facts(db: Any, target: Target) -> Facts:
    server = await db.fetchrow(_SERVER)
    return Facts(
        version=server["version"],
        server=await _server(db, server["timeline"]),
        wal_level=server["wal_level"],
        log_end=position(server["log_end"]),
        user=server["user"],
        may_replicate=server["may_replicate"],
        free_slots=server["free_slots"],
        commits=server["commits"],
        table=(table := await _table(db, target)),
        publication=await _publication(db, target, table),
        slot=await _slot(db, target.slot, server["version"]),
        reader_slot=await _slot(db, target.reader_slot, server["version"]),
    )


async def _server(db: Any, timeline: str) -> str:
    try:
        identifier = await db.fetchval(_IDENTIFIER)
    except asyncpg.InsufficientPrivilegeError:
        return ""
    return f"{identifier}/{timeline}" if timeline else ""


async def _table(db: Any, target: Target) -> Table | None:
    found = await db.fetchrow(_TABLE, target.schema, target.table)
    if found is None:
        return None
    oid = found["oid"]
    parts = [oid]
    if found["kind"] == PARTITIONED:
        parts = [row["oid"] for row in await db.fetch(_PARTITIONS, oid) if row["oid"] != oid]
    unique: dict[int, list[Index]] = {}
    for row in await db.fetch(_UNIQUE, [oid, *parts]):
        index = Index(row["name"], tuple(row["columns"]), row["is_primary"])
        unique.setdefault(row["table"], []).append(index)
    storage = tuple(
        Storage(
            row["schema"],
            row["name"],
            row["identity"],
            tuple(row["identity_columns"]),
            tuple(unique.get(row["oid"], ())),
            row["has_truncate_trigger"],
        )
        for row in await db.fetch(_STORAGE, parts)
    )
    return Table(
        schema=target.schema,
        name=target.table,
        columns=tuple(Column(**row) for row in await db.fetch(_COLUMNS, oid)),
        unique=tuple(unique.get(oid, ())),
        storage=storage,
        **found,
    )


async def _publication(db: Any, target: Target, table: Table | None) -> Publication | None:
    text = await db.fetchval(_PUBLICATION, target.publication)
    if text is None:
        return None
    has = json.loads(text)
    published = await db.fetchval(_PUBLISHED, target.publication, target.schema, target.table)
    as_itself = json.loads(published) if published else {}
    is_listed = bool(as_itself)
    if table and not as_itself:
        parts = [row["oid"] for row in await db.fetch(_PARTITIONS, table.oid)]
        is_listed = await db.fetchval(_LISTED, target.publication, parts, table.oid)
    columns = as_itself.get("attnames")
    return Publication(
        as_itself=bool(as_itself),
        is_listed=is_listed,
        all_tables=has["puballtables"],
        operations=tuple(o for o in ("insert", "update", "delete", "truncate") if has[f"pub{o}"]),
        through_root=has.get("pubviaroot", False),
        row_filter=as_itself.get("rowfilter") or "",
        columns=None if columns is None else tuple(columns),
        with_generated=has.get("pubgencols") in (True, "s"),
    )


async def _slot(db: Any, name: str, version: int) -> Slot | None:
    text = await db.fetchval(_SLOT, name)
    if text is None:
        return None
    has = json.loads(text)
    decoded = await db.fetchval(_DECODED, name) if version >= _STATISTICS_OF_SLOTS else None
    return Slot(
        plugin=has.get("plugin") or "",
        database=has.get("database") or "",
        is_active=has["active"],
        confirmed=position(has.get("confirmed_flush_lsn")),
        wal_status=has.get("wal_status") or "",
        is_synced=bool(has.get("synced")),
        transactions=decoded,
    )
