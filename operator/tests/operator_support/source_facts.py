"""What the operator sees of a PostgreSQL that is in order: its table, its slot, its publication."""

from clickstream_operator.database.facts import Column, Facts, Index, Publication, Slot, Storage, Table

NAMES = ("user_id", "name", "email", "country", "plan_tier")
PRIMARY = Index("pk", ("user_id",), is_primary=True)
TABLE = Table(
    schema="public",
    name="user_profiles",
    oid=16402,
    kind="r",
    is_logged=True,
    is_partition=False,
    inheritors=0,
    may_read=True,
    hides_rows=False,
    columns=tuple(Column(column, "text", not_null=True) for column in NAMES),
    unique=(PRIMARY,),
    storage=(Storage("public", "user_profiles", "d", ("user_id",), (PRIMARY,), has_truncate_trigger=True),),
)
SLOT = Slot("pgoutput", "shop", is_active=True, confirmed=100, wal_status="reserved", transactions=50)
FACTS = Facts(
    version=150004,
    server="7/00000001",
    wal_level="logical",
    log_end=200,
    user="clickstream",
    may_replicate=True,
    free_slots=5,
    commits=1000,
    table=TABLE,
    publication=Publication(True, True, False, ("insert", "update", "delete", "truncate"), False),
    slot=SLOT,
)
