"""Profile tables as people have them, through PostgreSQL, Debezium and the pipeline's own configuration.

One server, one worker, a connector a table, all started together. Each test changes its own table and looks
at what the profiles topic then holds. No row may stop a connector.
"""

# ruff: noqa: S608 (the statements are the tests' own)

import itertools
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from clickstream_local.machine.tools import java
from clickstream_local.parts.connect import Connect, build_sink
from clickstream_local.parts.kafka import QUICK, Kafka, kafka_jars
from clickstream_local.parts.postgres import Postgres
from clickstream_local.testing.eventually import eventually
from clickstream_local.testing.fixtures import Topics

from sources.profile_tables import DEADLINE_S, KINDS, Table


@pytest.fixture(scope="module")
def tables(postgres: Postgres, kafka: Kafka, parts_folder: Path) -> Iterator[dict[str, Table]]:
    """Give every kind of table with its connector, started together."""
    build_sink()
    folder = parts_folder / "tables"
    worker = Connect(folder, kafka, quick=True)
    for name, value in (("username", "postgres"), ("password", "none")):
        secret = worker.secrets / "postgres-credentials" / name
        secret.parent.mkdir(parents=True, exist_ok=True)
        secret.write_text(value)
    postgres.execute("CREATE DATABASE tables")
    worker.start()
    topics = Topics(kafka)
    made = {kind: Table(kind, postgres, worker, kafka, topics) for kind in KINDS}
    for table in made.values():
        table.start()
    yield made
    worker.stop()


def test_key_and_columns_of_any_type_come_as_they_are_and_the_key_as_text(tables: dict[str, Table]) -> None:
    row = tables["numbers"].sees("42", user_id="42", name=7, plan_tier=2, points=12.5, tags=["x", "y"])
    assert row["country"] == "00000000-0000-0000-0000-00000000000a"
    assert msgspec.json.decode(row["prefs"]) == {"a": 1}
    tables["numbers"].run(
        "UPDATE numbers SET plan_tier = 3", "INSERT INTO numbers(user_id, name) VALUES (43, null)"
    )
    tables["numbers"].sees("42", plan_tier=3)
    tables["numbers"].sees("43", user_id="43", name=None)
    tables["numbers"].run("DELETE FROM numbers WHERE user_id = 42")
    tables["numbers"].forgets("42")


def test_uuid_keys_a_row_by_its_text(tables: dict[str, Table]) -> None:
    user = "0b2b6c1e-41d8-4f0e-8a55-2a8d7a0d9f10"
    tables["uuid"].sees(user, user_id=user, name="A")


def test_numeric_key_is_exact_text_or_is_refused_by_a_notice(tables: dict[str, Table]) -> None:
    tables["numeric"].sees("9007199254740991", user_id="9007199254740991", name="A")
    assert tables["numeric"].notice("key-not-text")["row"]["name"] == "B"
    assert len(tables["numeric"].rows()) == 2


def test_blanks_that_fill_char_n_up_are_no_part_of_the_key(tables: dict[str, Table]) -> None:
    tables["padded"].sees("anna", user_id="anna", name="A")


def test_domains_and_citext_come_as_what_they_are_made_of(tables: dict[str, Table]) -> None:
    tables["domain"].sees("7", user_id="7", name="Ann", country="FR")
    tables["domain"].run("UPDATE domains SET name = 'Bea'")
    tables["domain"].sees("7", name="Bea")


def test_delete_without_the_users_id_is_a_notice_and_the_connector_goes_on(tables: dict[str, Table]) -> None:
    table = tables["surrogate"]
    table.sees("c", name="C")
    table.run(
        "DELETE FROM surrogates WHERE user_id = 'a'", "UPDATE surrogates SET name = 'B2' WHERE name = 'B'"
    )
    table.sees("b", name="B2")
    said = table.notice("row-without-key")
    assert (said["op"], said["table"]) == ("d", "public.surrogates")
    assert "REPLICA IDENTITY" in said["detail"]


@pytest.mark.parametrize(("kind", "table"), [("identity index", "indexed"), ("identity full", "whole")])
def test_delete_and_rename_work_with_the_users_id_in_the_identity(
    tables: dict[str, Table], kind: str, table: str
) -> None:
    tables[kind].sees("b", name="B")
    tables[kind].run(f"UPDATE {table} SET user_id = 'b2' WHERE user_id = 'b'")
    tables[kind].sees("b2", user_id="b2", name="B")
    tables[kind].forgets("b")
    tables[kind].run(f"DELETE FROM {table} WHERE user_id = 'b2'")
    tables[kind].forgets("b2")


def test_truncate_is_a_notice_and_the_connector_goes_on(tables: dict[str, Table]) -> None:
    tables["truncated"].sees("a", name="A")
    tables["truncated"].run("TRUNCATE truncated", "INSERT INTO truncated VALUES ('b', 'B', 'US')")
    tables["truncated"].sees("b", name="B")
    said = tables["truncated"].notice("table-truncated")
    assert (said["op"], said["table"]) == ("t", "public.truncated")


def test_commands_of_the_runbook_delete_what_a_truncate_left(tables: dict[str, Table], kafka: Kafka) -> None:
    table = tables["emptied by hand"]
    table.sees("b", name="B")
    table.run("TRUNCATE by_hand", "INSERT INTO by_hand VALUES ('b', 'B2', 'US')")
    table.sees("b", name="B2")
    table.notice("table-truncated")
    options = ["--bootstrap-server", kafka.bootstrap, "--topic", table.topic]
    show = ["--formatter-property", "print.key=true", "--formatter-property", "print.value=false"]
    committed = ["--from-beginning", "--isolation-level", "read_committed"]
    keys = {"a", "b", "clickstream:refused:table-truncated"}
    waits_ms = (5_000 * 2**look for look in itertools.count())  # they may be over before the tool has begun

    def shown() -> bool:
        wait = ["--timeout-ms", str(next(waits_ms))]
        lines = tool("consumer.ConsoleConsumer", *options, *committed, *wait, *show).split("\n")
        return keys <= set(lines)  # among lines of the log, which a distribution of Kafka sends elsewhere

    eventually(shown, "the keys that the runbook shows")
    gone = "".join(f"{key}\tGONE\n" for key in sorted(keys - {"b"}))
    marked = ["--reader-property", "parse.key=true", "--reader-property", "null.marker=GONE"]
    tool("ConsoleProducer", *options, *marked, given=gone)
    table.forgets("a")
    table.forgets("clickstream:refused:table-truncated")
    table.sees("b", name="B2")


def tool(name: str, *options: str, given: str = "") -> str:
    """Run one of Kafka's own command-line tools, and return what it printed."""
    program = [java().program, *QUICK, "-cp", f"{kafka_jars()}/*", f"org.apache.kafka.tools.{name}"]
    ran = subprocess.run(
        [*program, *options], input=given, capture_output=True, text=True, timeout=DEADLINE_S
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_trigger_of_the_docs_makes_a_truncate_delete_every_row(tables: dict[str, Table]) -> None:
    tables["truncate deletes"].sees("b", name="B")
    tables["truncate deletes"].run("TRUNCATE emptied", "INSERT INTO emptied VALUES ('c', 'C', 'US')")
    tables["truncate deletes"].sees("c", name="C")
    tables["truncate deletes"].forgets("a")
    tables["truncate deletes"].forgets("b")


def test_long_values_that_an_update_did_not_change_stay(tables: dict[str, Table]) -> None:
    before = tables["toast"].sees("1", prefs="p" * 5000)
    tables["toast"].run("UPDATE toasted SET country = 'FR'")
    assert tables["toast"].sees("1", country="FR") == before | {"country": "FR"}
    tables["toast"].run("UPDATE toasted SET user_id = 2")
    assert tables["toast"].sees("2") == before | {"country": "FR", "user_id": "2"}


def test_long_values_stay_with_the_full_identity(tables: dict[str, Table]) -> None:
    tables["identity full"].run("UPDATE whole SET name = 'A2' WHERE user_id = 'a'")
    tables["identity full"].sees("a", name="A2", prefs="p" * 5000)


def test_large_column_that_nobody_reads_is_not_sent(tables: dict[str, Table]) -> None:
    table = tables["large"]
    table.sees("a", name="A")
    table.run(
        "UPDATE large SET avatar = decode(repeat('ab', 1500000), 'hex'), country = 'FR' WHERE user_id = 'a'"
    )
    assert "avatar" not in table.sees("a", country="FR")


def test_row_that_is_too_large_is_a_notice_and_the_earlier_one_stays(tables: dict[str, Table]) -> None:
    table = tables["large"]
    table.sees("b", name="B")
    table.run(
        "UPDATE large SET prefs = repeat('x', 1500000), country = 'DE' WHERE user_id = 'b'",
        "INSERT INTO large VALUES ('c', 'C', 'US', null, 'p')",
    )
    table.sees("c", name="C")
    said = table.notice("row-too-large")
    assert said["row"]["user_id"] == "b"
    assert "allowed 1000000" in said["detail"]
    table.sees("b", country="US", prefs="p")


def test_names_that_need_quoting_are_found_and_only_they(tables: dict[str, Table]) -> None:
    table = tables["quoted"]
    table.sees("1", **{"user_id": "1", "name": "A", "Plan, Tier:": "gold"})
    table.run("""UPDATE "tenant-1"."User Profiles" SET name = 'A2'""")
    table.sees("1", name="A2")
    table.run("""DELETE FROM "tenant-1"."User Profiles" WHERE "User ID" = 1""")
    table.forgets("1")
    assert set(table.rows()) == {"1"}


def test_partitioned_table_published_via_its_root_brings_every_change(tables: dict[str, Table]) -> None:
    table = tables["partitioned"]
    table.sees("u4", name="A")
    table.run("UPDATE parted SET country = 'FR'", "INSERT INTO parted VALUES ('u9', 'N', 'US')")
    for user in ("u1", "u2", "u3", "u4"):
        table.sees(user, country="FR")
    table.sees("u9", name="N")
    table.run("DELETE FROM parted WHERE user_id = 'u9'")
    table.forgets("u9")
