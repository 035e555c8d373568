"""A connector's task fails: the conditions say so, it is mended, and nothing is lost."""

from clickstream_e2e.kube import eventually
from clickstream_e2e.platform import NAMESPACE, sql
from clickstream_e2e.storefront import Storefront

CONNECTOR = "storefront-profiles"
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
        past = f"SELECT restart_lsn > '{quiet}' FROM pg_replication_slots WHERE slot_name = 'shop_storefront'"  # noqa: S608
        return sql(kube, past).strip() == "t"

    eventually("the slot has gone on", is_past, every_s=2)
    kube("annotate", "kafkaconnector", CONNECTOR, "--namespace", NAMESPACE, "strimzi.io/restart-task=0")
    storefront.until("Ready", "True", 600)
    sql(kube, f"INSERT INTO public.user_profiles VALUES {ROW.replace('carol', 'erin')}")  # noqa: S608
    eventually("the row is known", lambda: storefront.metrics("erin")[0]["status"] == 200)
