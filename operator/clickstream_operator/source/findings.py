"""What is wrong with a pipeline's source, each with why it matters and the SQL that fixes it. Pure."""

from collections.abc import Iterator

from clickstream_operator.database.facts import PARTITIONED, PLAIN, Facts, Publication, Table
from clickstream_operator.database.quoting import literal, made_of, name, qualified, reader_slot
from clickstream_operator.source.finding import Finding, Severity, SourceRequirements
from clickstream_operator.source.keys import key_findings

_LOGICAL = "logical"
_CHANGES = ("insert", "update", "delete")
_DELETES = "EXECUTE format('DELETE FROM %I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME); RETURN NULL;"


# Every reason there is; docs/reference/conditions.md has one row for each.
REASONS = (
    *(
        "WalLevel",
        "NoReplicationRight",
        "NoSlotFree",
        "SlotOfAnother",
        "TableMissing",
        "NotATable",
        "NotLogged",
    ),
    *("HasChildTables", "MayNotRead", "RowsHidden", "PublicationMissing", "NotPublished"),
    *("PartitionsNotPublishedThroughRoot", "PublishedUnderItsRoot", "ChangesNotPublished", "RowFilter"),
    *("ColumnsNotPublished", "KeyColumnMissing", "KeyNullable", "KeyNotUnique", "CompositeKey"),
    *("ReplicaIdentityWithoutKey", "GeneratedColumns", "ColumnsMissing", "TruncateNotCarried"),
    "ReaderSlotLeft",
)


def findings_of(wanted: SourceRequirements, facts: Facts, has_run: bool) -> list[Finding]:
    """Return all that is found, what refuses first. `has_run`: the connector is there already."""
    found = [*_server(wanted, facts, has_run), *_leftover(wanted, facts), *_table(wanted, facts)]
    return sorted(found, key=lambda finding: finding.severity is Severity.WARN)


def _server(wanted: SourceRequirements, facts: Facts, has_run: bool) -> Iterator[Finding]:
    if facts.wal_level != _LOGICAL:
        yield Finding(
            "WalLevel",
            f"wal_level is {facts.wal_level}: the server's log does not hold what a replication slot needs. "
            "It needs a restart of the server.",
            "ALTER SYSTEM SET wal_level = 'logical';",
        )
    if not facts.may_replicate:
        yield Finding(
            "NoReplicationRight",
            f"The user {facts.user} may not replicate.",
            f"ALTER ROLE {name(facts.user)} REPLICATION;",
        )
    slot = facts.slot
    if slot is None and not has_run and facts.free_slots < 1:
        yield Finding(
            "NoSlotFree",
            "Every replication slot of the server is in use (max_replication_slots). Drop one that nobody "
            "reads, or allow more; that needs a restart of the server.",
            "ALTER SYSTEM SET max_replication_slots = 20;",
        )
    if slot and (slot.plugin != "pgoutput" or slot.database != wanted.database):
        yield Finding(
            "SlotOfAnother",
            f"The replication slot {wanted.slot} is there and is not of this source: plugin "
            f"{slot.plugin or 'none'}, database {slot.database or 'none'}. Drop it if nobody uses it, or "
            "make a pipeline with another source.postgres.slot.",
            f"SELECT pg_drop_replication_slot({literal(wanted.slot)});",
        )
    elif slot and slot.is_active and not has_run:
        yield Finding(
            "SlotOfAnother",
            f"The replication slot {wanted.slot} is being read by somebody else: two readers of one slot "
            "take each other's changes away. Make a pipeline with another source.postgres.slot.",
        )


def _leftover(wanted: SourceRequirements, facts: Facts) -> Iterator[Finding]:
    if facts.reader_slot and not facts.reader_slot.is_active:
        slot = literal(reader_slot(wanted.slot))
        yield Finding(
            "ReaderSlotLeft",
            f"The replication slot {slot}, by which the table was read again, was not dropped: nobody reads "
            "it, and it fills the database's disk.",
            f"SELECT pg_drop_replication_slot({slot});",
            Severity.WARN,
        )


def _table(wanted: SourceRequirements, facts: Facts) -> Iterator[Finding]:
    table = facts.table
    if table is None:
        yield Finding(
            "TableMissing",
            f"Database {wanted.database} has no table {wanted.table}. Make it, or make a pipeline that names "
            "the one it has.",
        )
        return
    where = qualified(table.schema, table.name)
    if table.kind not in (PLAIN, PARTITIONED):
        yield Finding(
            "NotATable",
            f"{where} is a view or a foreign table: the server's log holds no changes of it. Make a pipeline "
            "that names the table below it.",
        )
        return
    yield from _rows(table, where, facts.user)
    if facts.publication is None:
        yield Finding(
            "PublicationMissing",
            f"There is no publication {wanted.publication} in database {wanted.database}.",
            f"CREATE PUBLICATION {name(wanted.publication)} FOR TABLE {where}"
            + (" WITH (publish_via_partition_root = true);" if table.kind == PARTITIONED else ";"),
        )
    else:
        yield from _publication(wanted, table, facts.publication, where)
    yield from key_findings(wanted, table, where)
    yield from _columns(wanted, table, facts.publication, where)
    yield from _truncate(table)


def _rows(table: Table, where: str, user: str) -> Iterator[Finding]:
    if not table.is_logged:
        yield Finding(
            "NotLogged",
            f"{where} is an unlogged table: the server's log holds no changes of it.",
            f"ALTER TABLE {where} SET LOGGED;",
        )
    if table.inheritors:
        yield Finding(
            "HasChildTables",
            f"{table.inheritors} tables inherit from {where}: changes of their rows come under their own "
            "names, and none would arrive. Keep profiles in one table, or in a partitioned one.",
        )
    if not table.may_read:
        yield Finding(
            "MayNotRead",
            f"The user {user} may not read {where}.",
            f"GRANT USAGE ON SCHEMA {name(table.schema)} TO {name(user)}; "
            f"GRANT SELECT ON {where} TO {name(user)};",
        )
    if table.hides_rows:
        yield Finding(
            "RowsHidden",
            f"Row security of {where} hides rows from the user {user}: the snapshot would lack them without "
            "a word.",
            f"ALTER ROLE {name(user)} BYPASSRLS;",
        )


def _publication(
    wanted: SourceRequirements, table: Table, publication: Publication, where: str
) -> Iterator[Finding]:
    own = name(wanted.publication)
    if not publication.is_listed and not (publication.all_tables and not table.is_logged):
        yield Finding(
            "NotPublished",
            f"The publication {wanted.publication} does not have {where}: no change of it would arrive.",
            f"ALTER PUBLICATION {own} ADD TABLE {where};",
        )
    elif not publication.as_itself and table.is_partition:
        yield Finding(
            "PublishedUnderItsRoot",
            f"{where} is a partition, and its changes are published under its root's name. Make a pipeline "
            "that names the root.",
        )
    if table.kind == PARTITIONED and not publication.through_root:
        yield Finding(
            "PartitionsNotPublishedThroughRoot",
            f"{where} is partitioned, and its changes are published under the partitions' names: after the "
            "snapshot none would arrive.",
            f"ALTER PUBLICATION {own} SET (publish_via_partition_root = true);",
        )
    if lacking := [o for o in _CHANGES if o not in publication.operations]:
        every = ", ".join(o for o in (*_CHANGES, "truncate") if o in publication.operations or o in lacking)
        yield Finding(
            "ChangesNotPublished",
            f"The publication {wanted.publication} leaves out {', '.join(lacking)}.",
            f"ALTER PUBLICATION {own} SET (publish = {literal(every)});",
        )
    if publication.row_filter:
        yield Finding(
            "RowFilter",
            f"The publication {wanted.publication} has the row filter {publication.row_filter}: the snapshot "
            "has all rows, changes of the others do not arrive.",
            f"ALTER PUBLICATION {own} DROP TABLE {where}; ALTER PUBLICATION {own} ADD TABLE {where};",
            Severity.WARN,
        )


def _columns(
    wanted: SourceRequirements, table: Table, publication: Publication | None, where: str
) -> Iterator[Finding]:
    named = (wanted.key, *wanted.columns)
    read = [c for c in table.columns if wanted.takes_all or c.name in named]
    generated = [c for c in read if c.expression]
    if generated and not (publication and publication.with_generated):
        names = ", ".join(c.name for c in generated)
        yield Finding(
            "GeneratedColumns",
            f"{names} of {where}: generated columns are in the snapshot and in no change, so the first "
            "UPDATE of a row would empty them. Make them plain, filled by a trigger.",
            " ".join(_plain_with_trigger(table, where, c.name, c.expression) for c in generated),
        )
    if publication and publication.as_itself and publication.columns is not None:
        plain = [c.name for c in read if not c.expression]
        if lacking := [column for column in plain if column not in publication.columns]:
            own = name(wanted.publication)
            yield Finding(
                "ColumnsNotPublished",
                f"The publication {wanted.publication} has a list of columns without {', '.join(lacking)}: "
                "they would be empty after the first UPDATE of a row.",
                f"ALTER PUBLICATION {own} DROP TABLE {where}; ALTER PUBLICATION {own} ADD TABLE {where};",
            )
    if missing := [column for column in wanted.columns if table.column(column) is None]:
        has = ", ".join(column.name for column in table.columns)
        yield Finding(
            "ColumnsMissing",
            f"{where} lacks {', '.join(missing)}, which the pipeline reads: they are null in every click. It "
            f"has {has}. Rename the column back, or add it.",
            " ".join(f"ALTER TABLE {where} ADD COLUMN {name(column)} text;" for column in missing),
            Severity.WARN,
        )


def _plain_with_trigger(table: Table, where: str, column: str, expression: str) -> str:
    """Return what keeps a column's values and fills it in as before; the expression names columns plainly."""
    function = f"{name(table.schema)}.{made_of(table.name, column, 'filled')}"
    body = f"NEW.{name(column)} := (SELECT {expression} FROM (SELECT NEW.*) AS new_row); RETURN NEW;"  # noqa: S608
    return (
        f"ALTER TABLE {where} ALTER COLUMN {name(column)} DROP EXPRESSION; {_function(function, body)} "
        f"CREATE TRIGGER {made_of(column, 'filled')} BEFORE INSERT OR UPDATE ON {where} "
        f"FOR EACH ROW EXECUTE FUNCTION {function}();"
    )


def _truncate(table: Table) -> Iterator[Finding]:
    bare = [qualified(part.schema, part.name) for part in table.storage if not part.has_truncate_trigger]
    if not bare:
        return
    where, function = qualified(table.schema, table.name), f"{name(table.schema)}.truncate_deletes"
    triggers = [
        f"CREATE TRIGGER truncate_deletes BEFORE TRUNCATE ON {part} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {function}();"
        for part in bare
    ]
    yield Finding(
        "TruncateNotCarried",
        f"TRUNCATE of {where} names no rows in the server's log: every profile would stay as it was. A "
        "trigger can delete the rows first.",
        " ".join([_function(function, _DELETES), *triggers]),
        Severity.WARN,
    )


def _function(function: str, body: str) -> str:
    return (
        f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$;"
    )
