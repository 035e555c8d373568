"""A connector's task fails: the conditions say so, it is fixed, and nothing is lost."""

import base64
import secrets
import time
from collections.abc import Iterator

import pytest
from clickstream_e2e.kube import eventually
from clickstream_e2e.platform import NAMESPACE, sql
from clickstream_e2e.storefront import NAME, Storefront

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
        # Strimzi restarts the task, and says RESTARTING, RUNNING, FAILED in turn. The pipeline does not.
        said = {storefront.condition("ConnectorsReady")["reason"] for _ in _moments(30)}
        assert said == {"Failed"}
        eventually("the cause is told", lambda: "permitted to log in" in _connectors_say(storefront), 240)
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
        eventually("it is told", lambda: "No pod of KafkaConnect" in _connectors_say(storefront))
        storefront.until("Ready", "True", 600)
    enriched = _enriched(storefront)
    eventually("the index holds each enriched click once", lambda: storefront.search("*") == enriched)


@pytest.mark.parametrize(
    ("wrong", "right", "said"),
    [
        ("NOLOGIN", "LOGIN", "is not permitted to log in"),
        ("PASSWORD 'another'", "PASSWORD '{password}'", "password authentication failed"),
    ],
    ids=["role may not log in", "wrong password"],
)
def test_a_refused_source_is_told_in_the_databases_words_and_heals(
    storefront: Storefront, wrong: str, right: str, said: str
) -> None:
    kube = storefront.kube
    data = kube.get("secret", "postgres-credentials", NAMESPACE)["data"]
    password = base64.b64decode(data["password"]).decode()
    sql(kube, f"ALTER ROLE clickstream {wrong}")
    try:
        kube("delete", "kafkaconnector", CONNECTOR, "--namespace", NAMESPACE)
        eventually("it is told", lambda: said in _connectors_say(storefront), 240)
        assert storefront.condition("ConnectorsReady")["reason"] == "NotReady"
        assert password not in _connectors_say(storefront)
    finally:
        sql(kube, f"ALTER ROLE clickstream {right.format(password=password)}")
    storefront.until("Ready", "True", 600)
    a_row_arrives(storefront)


def _connectors_say(storefront: Storefront) -> str:
    return str(storefront.condition("ConnectorsReady")["message"])


def _moments(seconds: int) -> Iterator[None]:
    """Yield twice a second, for so long."""
    for _ in range(2 * seconds):
        yield
        time.sleep(0.5)


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


@pytest.mark.long
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
        copy = f"SELECT pg_copy_logical_replication_slot('aside', '{SLOT}')"
        sql(kube, f"SELECT pg_drop_replication_slot('{SLOT}'); {copy}")
    finally:
        sql(kube, "SELECT pg_drop_replication_slot('aside')")
        sql(kube, "ALTER ROLE clickstream LOGIN")
    kube("annotate", "kafkaconnector", CONNECTOR, "--namespace", NAMESPACE, "strimzi.io/restart-task=0")
    a_row_arrives(storefront)
    storefront.until("ConnectorsReady", "True", 600)
    # The copy is another slot. Where the operator sees that, it calls it a gap until the table is read again.
    kube("annotate", "clickpipeline", NAME, "--namespace", NAMESPACE, f"clickstream.dev/resnapshot={before}")
    eventually("the table is read again", lambda: _read_again(storefront) == (before, "Complete"), 600)
    storefront.until("Ready", "True", 600)
    a_row_arrives(storefront)


def _read_again(storefront: Storefront) -> tuple[str, str]:
    again = storefront.now()["status"].get("source", {}).get("resnapshot", {})
    return str(again.get("value")), str(again.get("phase"))


def slot(storefront: Storefront, what: str) -> str:
    """Return a column of the source's replication slot, or what an expression of them says."""
    query = f"SELECT {what} FROM pg_replication_slots WHERE slot_name = '{SLOT}'"  # noqa: S608
    return sql(storefront.kube, query).strip()


def a_row_arrives(storefront: Storefront) -> None:
    """Insert a new user's profile and wait until the pods know it."""
    user = f"new-{secrets.token_hex(4)}"
    sql(storefront.kube, f"INSERT INTO public.user_profiles VALUES {ROW.replace('carol', user)}")  # noqa: S608
    eventually(f"the row of {user} is known", lambda: storefront.metrics(user)[0]["status"] == 200)
