"""Whether the key column names one row, and whether the log names it when a row goes. Pure."""

from collections.abc import Iterator

from clickstream_operator.database.facts import PLAIN, Storage, Table
from clickstream_operator.database.quoting import made_of, name, qualified
from clickstream_operator.source.finding import Finding, SourceRequirements

_FULL = "f"


def key_findings(wanted: SourceRequirements, table: Table, where: str) -> Iterator[Finding]:
    """Return what is wrong with the key. What a later one's SQL needs, an earlier one's makes."""
    key, column = name(wanted.key), table.column(wanted.key)
    if column is None:
        yield _missing(wanted, table, where)
        return
    if not column.not_null:
        yield Finding(
            "KeyNullable",
            f"The key {wanted.key} of {where} may be null: such a row has no user, and stops the connector.",
            f"ALTER TABLE {where} ALTER COLUMN {key} SET NOT NULL;",
        )
    if not any(index.columns == (wanted.key,) for index in table.unique):
        yield _not_unique(wanted, table, where)
    without = [part for part in table.storage if not _names_key(part, wanted.key)]
    if without:
        yield Finding(
            "ReplicaIdentityWithoutKey",
            f"The log names a deleted row of {where} without {wanted.key} (replica identity): a DELETE could "
            "not be carried on, and the profile would stay.",
            " ".join(_identify(part, table, wanted.key) for part in without),
        )


def _missing(wanted: SourceRequirements, table: Table, where: str) -> Finding:
    single = [index.columns[0] for index in table.unique if len(index.columns) == 1]
    has = ", ".join(column.name for column in table.columns)
    rename = f"ALTER TABLE {where} RENAME COLUMN {name(single[0])} TO {name(wanted.key)};"
    return Finding(
        "KeyColumnMissing",
        f"{where} has no column {wanted.key}, the key of this pipeline. It has {has}. Rename the column "
        "back, or make a pipeline with another source.postgres.key.",
        rename if len(single) == 1 else "",
    )


def _not_unique(wanted: SourceRequirements, table: Table, where: str) -> Finding:
    index = _index_to_make(table, wanted.key)
    make = f"CREATE UNIQUE INDEX {index} ON {where} ({name(wanted.key)});"
    wider = next((i.columns for i in table.unique if wanted.key in i.columns), None)
    if wider:
        return Finding(
            "CompositeKey",
            f"A row of {where} is named by {', '.join(wider)} together: rows with one {wanted.key} would "
            "take each other's place, and a DELETE of one would remove the other. If there is one row to "
            f"each {wanted.key}, say so to the database; else use a table with one row to each user.",
            make,
        )
    return Finding(
        "KeyNotUnique",
        f"{wanted.key} of {where} is not unique: of rows with one {wanted.key} the last changed would win, "
        "and a DELETE of one would remove the others.",
        make,
    )


def _names_key(part: Storage, key: str) -> bool:
    return part.identity == _FULL or (part.identity in "di" and key in part.identity_columns)


def _identify(part: Storage, table: Table, key: str) -> str:
    where = qualified(part.schema, part.name)
    index = next((name(index.name) for index in part.unique if index.columns == (key,)), "")
    if not index and table.kind == PLAIN:
        index = _index_to_make(table, key)
    how = f"USING INDEX {index}" if index else "FULL"
    return f"ALTER TABLE {where} REPLICA IDENTITY {how};"


def _index_to_make(table: Table, key: str) -> str:
    return made_of(table.name, key, "key")
