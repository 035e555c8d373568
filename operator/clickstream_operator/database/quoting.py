"""Names as SQL takes them. Pure."""

import re

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
# Words that SQL does not take as a name of their own.
_RESERVED = """
all analyse analyze and any array as asc asymmetric authorization binary both case cast check
collate collation column concurrently constraint create cross current_catalog current_date
current_role current_schema current_time current_timestamp current_user default deferrable desc
distinct do else end except false fetch for foreign freeze from full grant group having ilike in
initially inner intersect into is isnull join lateral leading left like limit localtime
localtimestamp natural not notnull null offset on only or order outer overlaps placing primary
references returning right select session_user similar some symmetric system_user table tablesample
then to trailing true union unique user using variadic verbose when where window with
"""
_LONGEST_NAME = 63  # bytes; PostgreSQL cuts the rest off


def name(text: str) -> str:
    """Return a name, in quotes where SQL wants them."""
    if _PLAIN.fullmatch(text) and text not in _RESERVED.split():
        return text
    return '"' + text.replace('"', '""') + '"'


def qualified(schema: str, table: str) -> str:
    """Return a table's name with its schema."""
    return f"{name(schema)}.{name(table)}"


def literal(text: str) -> str:
    """Return a text as a literal."""
    return "'" + text.replace("'", "''") + "'"


def made_of(*parts: str) -> str:
    """Return a name for something new, short enough, and quoted as need be."""
    return name("_".join(parts).encode()[:_LONGEST_NAME].decode(errors="ignore"))


def reader_slot(slot: str) -> str:
    """Return the replication slot of the connector that reads the table again, next to the source's own."""
    return f"{slot[: _LONGEST_NAME - len('_again')]}_again"
