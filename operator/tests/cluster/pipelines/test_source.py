"""A real operator and a real PostgreSQL: sources that are refused, gaps, and the table read again.

Strimzi is stood in for; PostgreSQL's own reader of replication slots takes the connector's place at the slot.
"""

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from clickstream_local.machine import tools
from clickstream_local.machine.ports import HOST
from clickstream_local.parts.postgres import Postgres
from clickstream_local.testing.eventually import eventually
from operator_support.cluster.controlplane import die_with_parent
from operator_support.cluster.standins import STRIMZI
from operator_support.cluster.world import OperatorProcess, World, path_of

pytest_plugins = ["clickstream_local.testing.fixtures"]

TABLE = """
CREATE TABLE public.user_profiles (id bigserial PRIMARY KEY, user_id text NOT NULL UNIQUE, name text,
  email text, country text, plan_tier text);
GRANT SELECT ON public.user_profiles TO debezium;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION $$no$$; END';
CREATE TRIGGER guard BEFORE TRUNCATE ON public.user_profiles FOR EACH STATEMENT EXECUTE FUNCTION refuse();
"""
IDENTITY = "ALTER TABLE public.user_profiles REPLICA IDENTITY USING INDEX user_profiles_user_id_key;"
INSERT = "INSERT INTO public.user_profiles (user_id) VALUES ('user {}')"
ANEW = """
DO $$ BEGIN PERFORM pg_drop_replication_slot('{slot}');
PERFORM pg_create_logical_replication_slot('{slot}', 'pgoutput'); END $$
"""
LOOKS = """
SELECT backend_start FROM pg_stat_activity
WHERE application_name = 'clickstream-operator' AND datname = current_database()
"""
FINDINGS = "clickstream_operator_source_findings"


@pytest.fixture(scope="module")
def operator(world: World) -> Iterator[OperatorProcess]:
    """Run an operator that looks at sources as often as it can."""
    operator = world.operator(CLICKSTREAM_RESYNC_SECONDS="2", CLICKSTREAM_SOURCE_LOOK_SECONDS="1")
    eventually(operator.is_leader)
    yield operator
    assert operator.terminate() == 0


class Database:
    """The source of a shop, and a stand-in for its connector at the slot."""

    def __init__(self, postgres: Postgres, shop: str) -> None:
        self._postgres, self.name = postgres, shop.replace("-", "_")
        self.slot = f"{shop.replace('-', '__')}_storefront"
        self._reader: subprocess.Popen[bytes] | None = None
        with postgres.connect() as server:
            if not server.execute("SELECT 1 FROM pg_roles WHERE rolname = 'debezium'").fetchone():
                server.execute("CREATE ROLE debezium LOGIN REPLICATION")
            server.execute(f"CREATE DATABASE {self.name}".encode())
        self.run(TABLE)
        self.run(f"CREATE PUBLICATION {self.slot} FOR TABLE public.user_profiles")

    @property
    def spec(self) -> dict[str, object]:
        """Return the section of a pipeline."""
        where = {"host": HOST, "port": self._postgres.port, "database": self.name}
        return {
            "postgres": {
                **where,
                "table": "public.user_profiles",
                "credentialsSecret": "postgres-credentials",
            }
        }

    def run(self, statements: str) -> None:
        """Run SQL as superuser."""
        with self._postgres.connect(self.name) as here:
            here.execute(statements.encode())

    def make_slot(self, suffix: str = "") -> None:
        """Make the slot, as the connector does when there is none."""
        self.run(f"SELECT pg_create_logical_replication_slot('{self.slot}{suffix}', 'pgoutput')")

    def drop_slot(self, suffix: str = "") -> None:
        """Drop it, as a person does."""
        eventually(lambda: not self._is_read(suffix), "nobody reads the slot")
        self.run(f"SELECT pg_drop_replication_slot('{self.slot}{suffix}')")

    def change_slot(self) -> None:
        """Drop it and create it again."""
        eventually(lambda: not self._is_read(), "nobody reads the slot")
        self.run(ANEW.format(slot=self.slot))

    def decoded(self) -> int:
        """Return how many transactions the slot has decoded."""
        question = "SELECT total_txns FROM pg_stat_replication_slots WHERE slot_name = %s"
        with self._postgres.connect(self.name) as here:
            found = here.execute(question, [self.slot]).fetchone()
        return int(found[0]) if found else 0

    def wait_for_looks(self) -> None:
        """Wait until the operator has begun a look, and another one, from now on."""
        seen: set[object] = set()

        def twice() -> bool:
            with self._postgres.connect(self.name) as here:
                seen.update(row[0] for row in here.execute(LOOKS).fetchall())
            return len(seen) > 2

        eventually(twice)

    def read_slot(self, suffix: str = "") -> None:
        """Read the slot from now on."""
        options = ["-o", "proto_version=1", "-o", f"publication_names={self.slot}", "-F", "1", "-s", "1"]
        where = ["-h", HOST, "-p", str(self._postgres.port), "-U", "debezium", "-d", self.name]
        program = str(tools.postgres() / "pg_recvlogical")
        command = [
            program,
            *where,
            "-S",
            self.slot + suffix,
            "--start",
            "--no-loop",
            "-f",
            "/dev/null",
            *options,
        ]
        self._reader = subprocess.Popen(command, preexec_fn=die_with_parent)
        eventually(lambda: self._is_read(suffix), "the slot is read")

    def leave_slot(self) -> None:
        """Read it no more."""
        if self._reader:
            self._reader.terminate()
            self._reader.wait()

    def _is_read(self, suffix: str = "") -> bool:
        question = "SELECT active FROM pg_replication_slots WHERE slot_name = %s"
        with self._postgres.connect(self.name) as here:
            found = here.execute(question, [self.slot + suffix]).fetchone()
        return bool(found and found[0])


@pytest.fixture
def database(postgres: Postgres, shop: str) -> Iterator[Database]:
    database = Database(postgres, shop)
    yield database
    database.leave_slot()


def source_of(world: World, shop: str) -> Any:
    return world.plane.get(f"{STRIMZI}/namespaces/{shop}/kafkaconnectors/storefront-profiles")


def wait_for(world: World, shop: str, reason: str) -> str:
    try:
        eventually(lambda: world.condition(shop, "SourceReady").get("reason") == reason)
    except AssertionError:
        raise AssertionError(str(world.condition(shop, "SourceReady"))) from None
    return str(world.condition(shop, "SourceReady")["message"])


def findings(operator: OperatorProcess, shop: str) -> list[str]:
    """Return the series of what is found; those at 0 say that somebody has looked."""
    lines = [line for line in operator.get("/metrics")[1].splitlines() if FINDINGS in line]
    return [line for line in lines if f'"{shop}"' in line and not line.endswith(" 0.0")]


def test_table_that_would_stop_profiles_is_refused_until_its_sql_was_run(
    world: World, operator: OperatorProcess, shop: str, database: Database
) -> None:
    world.create(shop, source=database.spec)
    message = wait_for(world, shop, "ReplicaIdentityWithoutKey")
    assert message.endswith(f"Run: {IDENTITY}")
    assert world.condition(shop, "Stalled")["status"] == "True"
    eventually(lambda: "SourceReady" in world.condition(shop, "ConnectorsReady")["message"])
    assert source_of(world, shop) is None
    eventually(lambda: [e for e in world.events(shop) if e["reason"] == "ReplicaIdentityWithoutKey"])
    assert any('reason="ReplicaIdentityWithoutKey",severity="refuse"' in f for f in findings(operator, shop))
    database.run(IDENTITY)
    world.wait_ready(shop)
    assert world.condition(shop, "SourceReady")["reason"] == "Fits"
    assert source_of(world, shop)
    assert findings(operator, shop) == []
    # It runs: what becomes wrong now is told, and nothing is taken away.
    database.run("ALTER TABLE public.user_profiles RENAME COLUMN user_id TO customer")
    wait_for(world, shop, "KeyColumnMissing")
    assert world.condition(shop, "Ready")["status"] == "False"
    assert source_of(world, shop)


def test_dropped_slot_is_a_gap_until_the_table_is_read_again(
    world: World, operator: OperatorProcess, shop: str, database: Database
) -> None:
    database.run(IDENTITY)
    database.make_slot()
    world.create(shop, source=database.spec)
    world.wait_ready(shop)
    database.read_slot()
    eventually(lambda: world.pipeline(shop)["status"]["source"].get("slot") == database.slot)
    database.leave_slot()
    database.drop_slot()
    assert "is gone" in wait_for(world, shop, "SlotLost")
    assert world.condition(shop, "Ready")["status"] == "False"
    assert any('reason="SlotLost",severity="gap"' in line for line in findings(operator, shop))
    # The connector creates it again and goes on, as if nothing had been.
    database.make_slot()
    database.read_slot()
    operator.kill()
    operator.start()
    eventually(operator.is_leader)
    assert "clickstream.dev/resnapshot=" in wait_for(world, shop, "SlotLost")
    # Read again: the connector stops, and a second one reads the table by a slot of its own.
    world.plane.merge(path_of(shop), {"metadata": {"annotations": {"clickstream.dev/resnapshot": "1"}}})
    second = eventually(lambda: readers(world, shop))[0]
    assert source_of(world, shop)["spec"]["state"] == "stopped"
    database.leave_slot()
    assert second["spec"]["config"]["slot.name"] == f"{database.slot}_again"
    eventually(lambda: second["metadata"]["name"] in world.condition(shop, "SourceReady")["message"])
    database.make_slot("_again")
    database.read_slot("_again")  # which the connector does once its snapshot is complete
    eventually(lambda: phase(world, shop) == "Closing")
    database.leave_slot()
    database.drop_slot("_again")  # which the connector does as it stops
    eventually(lambda: phase(world, shop) == "Complete")
    eventually(lambda: readers(world, shop) == [])
    assert source_of(world, shop)["spec"]["state"] == "running"
    world.wait_ready(shop)
    assert "gap" not in world.pipeline(shop)["status"]["source"]
    assert findings(operator, shop) == []


def phase(world: World, shop: str) -> str:
    return str(world.pipeline(shop)["status"]["source"].get("resnapshot", {}).get("phase", ""))


def readers(world: World, shop: str) -> list[dict[str, Any]]:
    found = world.plane.items(f"{STRIMZI}/namespaces/{shop}/kafkaconnectors")
    return [c for c in found if c["metadata"]["name"].startswith("storefront-profiles-")]


def test_slot_that_was_dropped_and_created_again_between_two_looks_is_a_gap(
    world: World, operator: OperatorProcess, shop: str, database: Database
) -> None:
    database.run(IDENTITY)
    database.make_slot()
    world.create(shop, source=database.spec)
    world.wait_ready(shop)
    database.read_slot()
    for number in range(5):  # what the slot has decoded tells it from another
        database.run(INSERT.format(number))
    eventually(lambda: database.decoded() >= 5, "the slot has decoded them")
    looked = eventually(lambda: world.pipeline(shop)["status"]["source"].get("slot"))
    assert looked == database.slot
    database.wait_for_looks()
    database.leave_slot()
    with operator.suspended():
        database.change_slot()
    assert "were not read" in wait_for(world, shop, "SlotRecreated")


def test_database_out_of_reach_is_said_and_stops_nothing(world: World, shop: str, database: Database) -> None:
    postgres = {**dict(database.spec["postgres"]), "port": 1}  # type: ignore[call-overload]
    world.create(shop, source={"postgres": postgres})
    world.wait_ready(shop)
    assert f"{HOST}:1" in wait_for(world, shop, "NotReached")


@pytest.mark.parametrize("is_there", [True, False], ids=["the source is there", "somebody has deleted it"])
def test_deletion_tells_the_source_to_drop_its_slot(
    world: World, operator: OperatorProcess, shop: str, database: Database, is_there: bool
) -> None:
    database.run(IDENTITY)
    database.make_slot()
    world.create(shop, source=database.spec, deletionPolicy="Delete")
    world.wait_ready(shop)
    eventually(lambda: world.pipeline(shop)["status"]["source"].get("slot") == database.slot)
    if not is_there:
        world.plane.merge(path_of(shop), {"metadata": {"annotations": {"clickstream.dev/paused": "true"}}})
        eventually(lambda: world.condition(shop, "Paused")["status"] == "True")
        world.plane.request("DELETE", f"{STRIMZI}/namespaces/{shop}/kafkaconnectors/storefront-profiles")
    world.plane.request("DELETE", path_of(shop))
    eventually(lambda: world.pipeline(shop) is None)
    specs = world.standins.seen[shop, "storefront-profiles"]
    orders = {(spec["config"]["slot.drop.on.stop"], spec["state"]) for spec in specs}
    assert {("true", "running"), ("true", "stopped")} <= orders
    assert not [e for e in world.events(shop) if e["reason"] == "LeftBehind"]
