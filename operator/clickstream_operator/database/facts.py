"""What a database says of a pipeline's table, publication and slot, as one value. Pure."""

from dataclasses import dataclass, replace

PLAIN, PARTITIONED = "r", "p"  # pg_class.relkind


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `expression`: of a generated one, as SQL over the row's columns; empty otherwise."""

    name: str
    type: str
    not_null: bool
    expression: str = ""


@dataclass(frozen=True, slots=True)
class Index:
    """One unique index that holds at once and for every row: valid, not deferrable, not partial."""

    name: str
    columns: tuple[str, ...]
    is_primary: bool


@dataclass(frozen=True, slots=True)
class Storage:
    """A relation that has rows of its own: the table itself, or a partition of it.

    Its replica identity, not the partitioned table's, is what the log holds of a deleted row.
    """

    schema: str
    name: str
    identity: str  # pg_class.relreplident: d, n, f, i
    identity_columns: tuple[str, ...]  # of d and i
    unique: tuple[Index, ...]
    has_truncate_trigger: bool  # a BEFORE TRUNCATE trigger is enabled


@dataclass(frozen=True, slots=True)
class Table:
    """The table."""

    schema: str
    name: str
    oid: int
    kind: str  # pg_class.relkind
    is_logged: bool
    is_partition: bool  # of another table
    inheritors: int  # tables that inherit from it and are no partitions
    may_read: bool
    hides_rows: bool  # row security applies to the connector's user
    columns: tuple[Column, ...]
    unique: tuple[Index, ...]
    storage: tuple[Storage, ...]

    def column(self, name: str) -> Column | None:
        """Return a column."""
        return next((c for c in self.columns if c.name == name), None)


@dataclass(frozen=True, slots=True)
class Publication:
    """The publication. `as_itself`: changes of the table come under its own name."""

    as_itself: bool
    is_listed: bool  # the table, or one of its partitions, is in it at all
    all_tables: bool
    operations: tuple[str, ...]  # insert, update, delete, truncate
    through_root: bool
    row_filter: str = ""
    columns: tuple[str, ...] | None = None  # None: all
    with_generated: bool = False  # PostgreSQL 18 can send stored generated columns


@dataclass(frozen=True, slots=True)
class Slot:
    """The replication slot. Positions are those of the log, in bytes."""

    plugin: str
    database: str
    is_active: bool
    confirmed: int
    wal_status: str  # reserved, extended, unreserved, lost
    is_synced: bool = False  # kept by a standby for its promotion
    transactions: int | None = None  # decoded since it was made; None: not known


@dataclass(frozen=True, slots=True)
class Facts:
    """One look at a database. `server`: the cluster's identifier and its timeline."""

    version: int  # such as 150004
    server: str
    wal_level: str
    log_end: int
    user: str
    may_replicate: bool
    free_slots: int
    commits: int  # of this database, since its statistics were reset
    table: Table | None
    publication: Publication | None
    slot: Slot | None
    reader_slot: Slot | None = None  # of the connector that reads the table again

    def still(self) -> "Facts":
        """Return it without what moves while nothing happens, to tell whether two looks differ."""
        slot = self.slot and replace(self.slot, confirmed=0, transactions=None)
        reader = self.reader_slot and replace(self.reader_slot, confirmed=0, transactions=None)
        free = min(self.free_slots, 1)
        return replace(self, log_end=0, commits=0, free_slots=free, slot=slot, reader_slot=reader)


@dataclass(frozen=True, slots=True)
class Look:
    """The last look at a pipeline's database; both `facts` and `problem` empty: the first is under way."""

    asked_s: float  # wall clock, when it was first asked for
    begun_s: float = 0.0  # when the look that gave this began
    facts: Facts | None = None
    problem: str = ""  # why the database could not be looked at
    before: Facts | None = None  # what the look before saw

    @property
    def is_pending(self) -> bool:
        """Tell whether no look has come to its end yet."""
        return self.facts is None and not self.problem


def position(text: str | None) -> int:
    """Return a position of the log, such as 0/16B3748, in bytes; 0 for none."""
    if not text:
        return 0
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def shown(where: int) -> str:
    """Return a position as PostgreSQL writes it."""
    return f"{where >> 32:X}/{where & 0xFFFFFFFF:X}" if where else "an unknown position"
