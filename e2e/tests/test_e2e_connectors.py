"""A connector's task fails: the conditions say so, it is mended, and nothing is lost."""

import secrets

from clickstream_e2e.kube import eventually
from clickstream_e2e.platform import NAMESPACE, sql
from clickstream_e2e.storefront import Storefront

CONNECTOR = "storefront-profiles"
SLOT = "shop_storefront"
ROW = "('carol', 'Carol', 'carol@example.com', 'FR', 'free') ON CONFLICT DO NOTHING"


def test_a_failed_source_task_is_told_and_heals(storefront: Storefront) -> None:
    kube = storefront.kube
    sql(kube, "ALTER ROLE clickstream NOLOGIN")
    try:
        sql(kube, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'clickstream'")
        told = storefront.until("ConnectorsReady", "False", 240)
        assert CONNECTOR in told["message"]
        storefront.until("Ready", "False")
        assert storefront.metrics("user-0003")[0]["status"] == 200
        sql(kube, f"INSERT INTO public.user_profiles VALUES {ROW}")  # noqa: S608
    finally:
        sql(kube, "ALTER ROLE clickstream LOGIN")
    kube("annotate", "kafkaconnector", CONNECTOR, "--namespace", NAMESPACE, "strimzi.io/restart-task=0")
    storefront.until("Ready", "True", 600)
    eventually("the row of the meantime is known", lambda: storefront.metrics("carol")[0]["status"] == 200)


def test_a_restarted_connect_loses_and_doubles_nothing(storefront: Storefront) -> None:
    with storefront.traffic(rate=100):
        pods = "strimzi.io/kind=KafkaConnect"
        storefront.kube(
            "delete", "pod", "--namespace", NAMESPACE, "--selector", pods, "--force", "--grace-period=0"
        )
        storefront.kube.rolled_out("deployment/events-connect-connect", NAMESPACE)
        storefront.until("Ready", "True", 600)
    enriched = _enriched(storefront)
    eventually("the index holds each enriched click once", lambda: storefront.search("*") == enriched, 120)


def _enriched(storefront: Storefront) -> int:
    return int(storefront.check()["enriched"])


def test_the_source_starts_again_after_its_table_was_quiet(storefront: Storefront) -> None:
    """The slot has gone on with other tables' log, past the last row that was read."""
    kube = storefront.kube
    sql(kube, "CREATE TABLE IF NOT EXISTS public.noise (n int)")
    quiet = sql(kube, "SELECT pg_current_wal_lsn()").strip()

    def is_past() -> bool:
        sql(kube, "INSERT INTO public.noise VALUES (1)")
        sql(kube, "CHECKPOINT")
        return slot(storefront, f"restart_lsn > '{quiet}'") == "t"

    eventually("the slot has gone on", is_past, every_s=2)
    kube("annotate", "kafkaconnector", CONNECTOR, "--namespace", NAMESPACE, "strimzi.io/restart-task=0")
    storefront.until("Ready", "True", 600)
    a_row_arrives(storefront)


def test_the_source_starts_again_with_a_slot_that_has_not_followed(storefront: Storefront) -> None:
    """Connect is killed after a row that followed a quiet time: the slot lies between it and the row before.

    The moment is too short to hit, so a copy of the slot keeps it: only the slot's position is put back.
    """
    kube = storefront.kube
    sql(kube, "CREATE TABLE IF NOT EXISTS public.noise (n int)")
    a_row_arrives(storefront)
    before = sql(kube, "SELECT pg_current_wal_lsn()").strip()

    def is_past() -> bool:
        sql(kube, "INSERT INTO public.noise VALUES (1)")
        return slot(storefront, f"confirmed_flush_lsn > '{before}'") == "t"

    eventually("the slot has gone on from that row", is_past, every_s=2)
    sql(kube, f"SELECT pg_copy_logical_replication_slot('{SLOT}', 'aside')")
    sql(kube, "INSERT INTO public.noise VALUES (1)")  # else the next row would be just where the slot is
    a_row_arrives(storefront)
    sql(kube, "ALTER ROLE clickstream NOLOGIN")
    try:
        sql(kube, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'clickstream'")
        eventually("the slot is free", lambda: slot(storefront, "active") == "f")
        # At once: a look of the operator in between would rightly call it a gap.
        copy = f"SELECT pg_copy_logical_replication_slot('aside', '{SLOT}')"
        sql(kube, f"SELECT pg_drop_replication_slot('{SLOT}'); {copy}")
    finally:
        sql(kube, "SELECT pg_drop_replication_slot('aside')")
        sql(kube, "ALTER ROLE clickstream LOGIN")
    kube("annotate", "kafkaconnector", CONNECTOR, "--namespace", NAMESPACE, "strimzi.io/restart-task=0")
    a_row_arrives(storefront)
    storefront.until("Ready", "True", 600)


def slot(storefront: Storefront, what: str) -> str:
    """Return a column of the source's replication slot, or what an expression of them says."""
    query = f"SELECT {what} FROM pg_replication_slots WHERE slot_name = '{SLOT}'"  # noqa: S608
    return sql(storefront.kube, query).strip()


def a_row_arrives(storefront: Storefront) -> None:
    """Insert a new user's profile and wait until the pods know it."""
    user = f"new-{secrets.token_hex(4)}"
    sql(storefront.kube, f"INSERT INTO public.user_profiles VALUES {ROW.replace('carol', user)}")  # noqa: S608
    eventually(f"the row of {user} is known", lambda: storefront.metrics(user)[0]["status"] == 200)
