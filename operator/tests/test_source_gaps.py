"""Gaps in the source, reading it again, and what both mean for a pipeline: pure, time and sight given."""

import copy
from dataclasses import replace
from typing import Any

import pytest
from clickstream_operator.condition import Truth
from clickstream_operator.conditions import conditions_of
from clickstream_operator.desired import desired_objects
from clickstream_operator.observed import Observed
from clickstream_operator.source.facts import (
    Column,
    Facts,
    Index,
    Look,
    Publication,
    Slot,
    Storage,
    Table,
    position,
    shown,
)
from clickstream_operator.source.finding import Severity
from clickstream_operator.source.findings import findings_of
from clickstream_operator.source.memory import Memory, after_look, remembered
from clickstream_operator.source.news import with_memory
from clickstream_operator.source.quoting import literal, made_of, name, qualified, schema_and_table
from clickstream_operator.source.resnapshot import RESNAPSHOT, is_under_way, progress, reset_order
from clickstream_operator.source.target import target_of
from clickstream_operator.source.wanted import wanted_of
from clickstream_operator.spec import parse
from clickstream_operator.status import healthy_status
from documents import changed
from test_conditions import DOCUMENT, PIPELINE, observed
from test_manifests_golden import PLATFORM

NOW = "2026-11-28T12:00:00Z"
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
KNOWN = Memory(server=FACTS.server, table=TABLE.oid, slot="shop_storefront")


def seen(now: Facts | None, before: Facts | None = FACTS, **changes: Any) -> Look:
    return replace(Look(asked_s=1.0, begun_s=2.0, facts=now, before=before), **changes)


def slot(**changes: Any) -> Facts:
    return replace(FACTS, slot=replace(SLOT, **changes))


def test_source_in_order_has_no_findings() -> None:
    assert findings_of(wanted_of(PIPELINE), FACTS, has_run=True) == []


@pytest.mark.parametrize(
    ("facts", "reason", "has_run"),
    [
        (replace(FACTS, wal_level="replica"), "WalLevel", True),
        (replace(FACTS, slot=None, free_slots=0), "NoSlotFree", False),
        (FACTS, "SlotOfAnother", False),  # somebody reads it, and it is not our connector
        (slot(database="other"), "SlotOfAnother", True),
    ],
    ids=["wal_level", "no slot free", "slot in use", "slot of another database"],
)
def test_server_that_cannot_serve_is_found_out(facts: Facts, reason: str, has_run: bool) -> None:
    (finding,) = findings_of(wanted_of(PIPELINE), facts, has_run)
    assert (finding.reason, finding.severity) == (reason, Severity.REFUSE)


def test_slots_that_run_out_do_not_matter_to_a_source_that_has_one() -> None:
    assert findings_of(wanted_of(PIPELINE), replace(FACTS, free_slots=0), has_run=True) == []


def test_columns_that_expressions_read_are_wanted_too() -> None:
    reading = {"processing.transform": {"set": {"vip": "profile.score > 3 || has(profile.badge)"}}}
    wanted = wanted_of(parse(changed(reading)))
    assert wanted.columns == ("name", "email", "country", "plan_tier", "score", "badge")
    (finding,) = findings_of(wanted, FACTS, has_run=True)
    assert "score, badge" in finding.message


GAPS: dict[str, tuple[Look, str, str]] = {
    "the slot is gone": (seen(replace(FACTS, slot=None)), "SlotLost", "read up to 0/64"),
    "the log was given up": (seen(slot(wal_status="lost")), "SlotLost", "pg_drop_replication_slot"),
    "the slot was made anew": (
        seen(slot(transactions=2, confirmed=190)),
        "SlotRecreated",
        "between 0/64 and 0/BE",
    ),
    "another server": (seen(replace(FACTS, server="8/00000001")), "SourceChanged", "8/00000001"),
    "a standby took over": (seen(replace(FACTS, server="7/00000002")), "SourceChanged", "7/00000002"),
    "the table was made anew": (
        seen(replace(FACTS, table=replace(TABLE, oid=17000))),
        "SourceChanged",
        "public.user_profiles",
    ),
    "the server was restored": (seen(replace(FACTS, log_end=90)), "SourceChanged", "backup"),
}
NO_GAPS: dict[str, Look] = {
    "nothing moved": seen(FACTS),
    "all went on": seen(replace(slot(confirmed=150, transactions=60), log_end=300, commits=1100)),
    "the connector is away": seen(slot(is_active=False)),
    "the server crashed and lost its counts": seen(replace(slot(transactions=0), commits=3)),
    "the server has no such counts": seen(slot(transactions=None)),
    "a standby took over that kept the slot": seen(
        replace(slot(is_synced=True), server="7/00000002"), before=None
    ),
    "no answer": seen(None, problem="no route"),
    "the first look after a start": seen(slot(transactions=1), before=None),
    "the server may not be told": seen(replace(FACTS, server="")),
}


@pytest.mark.parametrize(("look", "reason", "said"), GAPS.values(), ids=GAPS)
def test_gap_is_seen_and_stays_until_the_table_is_read_again(look: Look, reason: str, said: str) -> None:
    memory = after_look(KNOWN, look, "shop_storefront", has_run=True, now=NOW)
    assert memory.gap
    assert memory.gap.reason == reason
    assert said in memory.gap.message
    later = after_look(memory, seen(FACTS), "shop_storefront", has_run=True, now="2027-01-01T00:00:00Z")
    assert later.gap == memory.gap
    assert remembered(later.document()) == later, "it outlives the operator"


@pytest.mark.parametrize("look", NO_GAPS.values(), ids=NO_GAPS)
def test_no_gap_is_seen_where_there_is_none(look: Look) -> None:
    assert after_look(KNOWN, look, "shop_storefront", has_run=True, now=NOW).gap is None


def test_source_that_has_not_run_has_no_gap() -> None:
    lost = seen(replace(FACTS, slot=None))
    assert after_look(Memory(), lost, "shop_storefront", has_run=True, now=NOW) == Memory()
    assert after_look(KNOWN, lost, "shop_storefront", has_run=False, now=NOW) == KNOWN


def connector(state: str = "RUNNING", **annotations: str) -> dict[str, Any]:
    return {
        "metadata": {"name": "storefront-profiles", "generation": 1, "annotations": annotations},
        "spec": {"state": "running"},
        "status": {
            "observedGeneration": 1,
            "connectorStatus": {"connector": {"state": state}, "tasks": [{"id": 0, "state": state}]},
        },
    }


def test_table_is_read_again_by_stopping_resetting_and_running() -> None:
    lost = after_look(KNOWN, seen(replace(FACTS, slot=None)), "shop_storefront", has_run=True, now=NOW)
    memory = progress(lost, "7", connector(), None, NOW)
    assert memory.phase == "Stopping"
    assert reset_order(memory, connector()) == {}, "not before it has stopped"
    order = reset_order(memory, connector("STOPPED"))
    assert order == {"strimzi.io/connector-offsets": "reset", RESNAPSHOT: "7"}
    memory = progress(memory, "7", connector("STOPPED", **order), None, NOW)
    assert memory.phase == "Resetting"
    memory = progress(memory, "7", connector("STOPPED", **{RESNAPSHOT: "7"}), None, "2026-11-28T12:00:10Z")
    assert memory.phase == "Reading"
    assert is_under_way(memory)
    running = connector(**{RESNAPSHOT: "7"})
    early = seen(FACTS)  # a look from before the stop, when the slot was still read
    assert progress(memory, "7", running, early, NOW).phase == "Reading"
    reading = seen(slot(is_active=False), begun_s=memory.since_s + 5)
    assert progress(memory, "7", running, reading, NOW).phase == "Reading"
    done = progress(memory, "7", running, seen(FACTS, begun_s=memory.since_s + 60), NOW)
    assert done.phase == "Complete"
    assert done.gap is None
    assert progress(done, "7", running, seen(FACTS), NOW) == done, "the same value asks for nothing more"
    assert progress(done, "8", running, seen(FACTS), NOW).phase == "Stopping"
    assert progress(done, "", running, seen(FACTS), NOW) == done
    assert remembered(done.document()) == done


def test_reading_again_that_is_taken_back_lets_the_source_run() -> None:
    memory = progress(KNOWN, "7", connector(), None, NOW)
    assert progress(memory, "", connector(), None, NOW) == KNOWN


def test_source_that_is_made_with_the_annotation_takes_its_first_snapshot_for_it() -> None:
    memory = progress(Memory(), "7", None, None, NOW)
    assert memory.phase == "Reading"
    seen_first = observed(memory=memory, children={("KafkaConnector", "storefront-profiles"): None})
    document = source_document(seen_first)
    assert document["metadata"]["annotations"][RESNAPSHOT] == "7"
    assert document["spec"]["state"] == "running"


def rendered(seen_: Observed) -> dict[str, dict[str, Any]]:
    """Return the objects by name; no pods yet, which matter nothing here."""
    children = {**seen_.children, ("StatefulSet", "storefront-processor"): None}
    there = {where: document for where, document in children.items() if document}
    objects = desired_objects(PIPELINE, "uid", PLATFORM, replace(seen_, children=there))
    return {wanted.name: wanted.document for wanted in objects}


def source_document(seen_: Observed) -> dict[str, Any]:
    return rendered(seen_)["storefront-profiles"]


def test_source_is_stopped_while_its_offsets_are_reset_and_only_then() -> None:
    live = {("KafkaConnector", "storefront-profiles"): connector(**{RESNAPSHOT: "6"})}
    for phase, state in (("Stopping", "stopped"), ("Resetting", "stopped"), ("Reading", "running")):
        memory = replace(KNOWN, resnapshot="7", phase=phase)
        document = source_document(observed(children=copy.deepcopy(live), memory=memory))
        assert document["spec"]["state"] == state
        assert document["metadata"]["annotations"][RESNAPSHOT] == "6", (
            "Strimzi's and the order's are not ours"
        )


BAD = replace(FACTS, wal_level="replica", slot=None)
NOT_MADE = {("KafkaConnector", "storefront-profiles"): None}


def source_condition(**changes: Any) -> Any:
    return {c.type: c for c in conditions_of(PIPELINE, observed(**changes))}["SourceReady"]


def made(**changes: Any) -> bool:
    return "storefront-profiles" in rendered(observed(**changes))


def test_source_that_does_not_fit_is_refused_before_it_is_made() -> None:
    refused = {"source": seen(BAD), "children": NOT_MADE}
    assert not made(**refused)
    condition = source_condition(**refused)
    assert (condition.truth, condition.reason, condition.is_fatal) == (Truth.FALSE, "WalLevel", True)
    assert "ALTER SYSTEM SET wal_level = 'logical';" in condition.message
    # The database went away since: what was refused stays refused.
    assert not made(source=seen(None, before=BAD, problem="no route"), children=NOT_MADE)


def test_source_that_runs_is_told_and_let_be() -> None:
    assert made(source=seen(BAD))
    condition = source_condition(source=seen(BAD))
    assert (condition.truth, condition.reason, condition.is_fatal) == (Truth.FALSE, "WalLevel", False)


def test_first_look_is_awaited_but_not_for_ever() -> None:
    assert not made(source=Look(asked_s=100), children=NOT_MADE, now_s=110.0)
    assert made(source=Look(asked_s=100), children=NOT_MADE, now_s=140.0)
    assert source_condition(source=Look(asked_s=100)).reason == "Looking"


def test_database_out_of_reach_stops_nothing() -> None:
    away = Look(asked_s=100, problem="db:5432: no route")
    assert made(source=away, children=NOT_MADE, now_s=101.0)
    for source, reason in ((away, "NotReached"), (None, "NotLookedAt")):
        condition = source_condition(source=source)
        assert (condition.truth, condition.reason) == (Truth.UNKNOWN, reason)
        status = healthy_status(PIPELINE, observed(source=source), DOCUMENT, [])
        ready = next(c for c in status["conditions"] if c["type"] == "Ready")
        assert ready["status"] == "True"


def test_warning_is_said_of_a_source_that_is_ready() -> None:
    open_ = replace(TABLE, storage=(replace(TABLE.storage[0], has_truncate_trigger=False),))
    condition = source_condition(source=seen(replace(FACTS, table=open_)))
    assert (condition.truth, condition.reason) == (Truth.TRUE, "FitsWithWarnings")
    assert "truncate_deletes" in condition.message


def test_gap_is_said_with_the_command_that_reads_the_table_again() -> None:
    lost = replace(FACTS, slot=None)
    memory = after_look(KNOWN, seen(lost), "shop_storefront", has_run=True, now=NOW)
    condition = source_condition(source=seen(lost), memory=memory)
    assert condition.reason == "SlotLost"
    assert "annotate clickpipeline storefront --overwrite clickstream.dev/resnapshot=" in condition.message


def test_what_is_remembered_is_the_status_of_the_look_before() -> None:
    first = with_memory(PIPELINE, DOCUMENT, observed(source=seen(FACTS), now_s=5.0))
    status = healthy_status(PIPELINE, first, DOCUMENT, [])
    assert status["source"] == {"server": "7/00000001", "table": "16402", "slot": "shop_storefront"}
    again = with_memory(PIPELINE, DOCUMENT | {"status": status}, observed(source=None, now_s=9.0))
    assert again.memory == first.memory, "an operator that does not look forgets nothing"


def test_names_are_written_as_sql_takes_them() -> None:
    assert name("user_profiles") == "user_profiles"
    assert [name(text) for text in ("user", "User", "a-b", 'a"b', "1a")] == [
        '"user"', '"User"', '"a-b"', '"a""b"', '"1a"',
    ]  # fmt: skip
    assert qualified("public", "select") == 'public."select"'
    assert literal("it's") == "'it''s'"
    assert len(made_of("t" * 60, "user_id", "key")) == 63
    assert schema_and_table("public.user_profiles") == ("public", "user_profiles")
    assert schema_and_table('"tenant-1"."User.P ""x"""') == ("tenant-1", 'User.P "x"')


def test_positions_are_read_and_written_as_postgresql_does() -> None:
    assert shown(position("16/B374D848")) == "16/B374D848"
    assert position(None) == 0


def test_bare_host_means_the_pipelines_own_namespace() -> None:
    target = target_of(parse(changed({"source.postgres.host": "postgres"})), "me", "hunter2")
    assert (target.host, target.port) == ("postgres.shop.svc", 5432)
    target = target_of(parse(changed({"source.postgres.host": "db.example.com"})), "me", "hunter2")
    assert target.host == "db.example.com"
    assert "hunter2" not in repr(target)
