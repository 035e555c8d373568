"""How a table's and a column's name is written: in a spec, in SQL, in Debezium's patterns, as a topic.

A spec writes a table as SQL does, `public.user_profiles` or `"tenant-1"."User Profiles"`, but case is kept
without quotes too: the name is as PostgreSQL stores it. A column is written as it is stored.
"""

import re
from typing import NamedTuple

PLAIN = r"[a-zA-Z_][a-zA-Z0-9_]*"
QUOTED = r'"[^"\\\x00-\x1f]+"'
COLUMN = r'[^"\\\x00-\x1f]+'
_PART = rf"(?:{PLAIN}|{QUOTED})"
TABLE = rf"{_PART}\.{_PART}"
_IN_TOPICS = re.compile(r"[a-zA-Z0-9._\-]")


class Table(NamedTuple):
    """A table's name, as PostgreSQL stores it."""

    schema: str
    name: str

    @property
    def sql(self) -> str:
        """Return the name as SQL takes it, quoted."""
        return f"{quoted(self.schema)}.{quoted(self.name)}"

    @property
    def pattern(self) -> str:
        """Return the expression that matches this table alone, for Debezium, which else ignores case."""
        return rf"(?-i){exact(self.schema)}\.{exact(self.name)}"

    def topic(self, prefix: str) -> str:
        """Return an expression for the topic of the events, where _ stands for what no topic may hold."""
        name = "".join(c if _IN_TOPICS.match(c) else "_" * _units(c) for c in f"{self.schema}.{self.name}")
        return re.escape(f"{prefix}.{name}").replace(r"\-", "-")


def table_of(text: str) -> Table:
    """Return the table that a spec names."""
    schema, name = re.findall(_PART, text)
    return Table(schema.strip('"'), name.strip('"'))


def quoted(name: str) -> str:
    """Return an identifier in double quotes."""
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def exact(name: str) -> str:
    """Return a regular expression of Java for exactly this text, without what Debezium's lists split at."""
    return "".join(c if (c.isalnum() and c.isascii()) or c == "_" else rf"\x{{{ord(c):x}}}" for c in name)


def _units(character: str) -> int:
    """Return of how many characters Java takes this one to be."""
    return len(character.encode("utf-16-le")) // 2
