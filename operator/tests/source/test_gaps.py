"""Gaps in the source, reading it again, and what both mean for a pipeline: pure, time and sight given."""

from dataclasses import replace
from typing import Any

import pytest
from clickstream_operator.condition import Truth
from clickstream_operator.database.facts import (
    Facts,
    Look,
    position,
    shown,
)
from clickstream_operator.database.memory import SourceMemory, after_look, carried, remembered
from clickstream_operator.database.quoting import (
    literal,
    made_of,
    name,
    qualified,
    reader_slot,
)
from clickstream_operator.database.target import target_of
from clickstream_operator.lifecycle.decided import Decided
from clickstream_operator.lifecycle.desired import desired_objects
from clickstream_operator.observed import Observed
from clickstream_operator.source.finding import Severity
from clickstream_operator.source.findings import findings_of
from clickstream_operator.source.news import with_memory
from clickstream_operator.source.resnapshot import (
    is_under_way,
    leftovers,
    progress,
    reader_name,
    reader_state,
    source_stands,
)
from clickstream_operator.source.verdict import found, holds_source, source_ready
from clickstream_operator.source.wanted import wanted_of
from clickstream_operator.spec.clickpipeline import parse
from clickstream_operator.status.conditions import conditions_of
from clickstream_operator.status.pipeline_status import accepted_status
from operator_support.documents import changed
from operator_support.example_pipelines import PLATFORM
from operator_support.source_facts import FACTS, SLOT, TABLE
from operator_support.storefront_seen import DOCUMENT, PIPELINE, condition, observed, status_of

NOW = "2026-11-28T12:00:00Z"
KNOWN = SourceMemory(server=FACTS.server, table=TABLE.oid, slot="shop_storefront")


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
    assert wanted.columns == ("name", "email", "country", "plan_tier", "badge", "score")
    (finding,) = findings_of(wanted, FACTS, has_run=True)
    assert "badge, score" in finding.message


GAPS: dict[str, tuple[Look, str, str]] = {
    "the slot is gone": (seen(replace(FACTS, slot=None)), "SlotLost", "read up to 0/64"),
    "the log was given up": (seen(slot(wal_status="lost")), "SlotLost", "pg_drop_replication_slot"),
    "the slot was created again": (
        seen(slot(transactions=2, confirmed=190)),
        "SlotRecreated",
        "between 0/64 and 0/BE",
    ),
    "another server": (seen(replace(FACTS, server="8/00000001")), "SourceChanged", "8/00000001"),
    "a standby took over": (seen(replace(FACTS, server="7/00000002")), "SourceChanged", "7/00000002"),
    "the table was created again": (
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


def test_break_between_two_looks_stays_one_until_the_status_has_it() -> None:
    again = slot(transactions=2, confirmed=190)
    assert carried(seen(again), is_gap_known=False) == FACTS
    assert carried(seen(again), is_gap_known=True) == again
    assert carried(seen(None, problem="no route"), is_gap_known=False) == FACTS
    assert carried(seen(slot(transactions=60)), is_gap_known=False) == slot(transactions=60)


def test_slot_that_was_gone_for_one_look_that_nobody_took_note_of_is_told_from_the_next_of_its_name() -> None:
    gone = seen(replace(FACTS, slot=None))
    kept = carried(gone, is_gap_known=False)
    assert kept == FACTS
    found = after_look(KNOWN, seen(slot(transactions=0), kept), "shop_storefront", has_run=True, now=NOW)
    assert found.gap is not None
    assert found.gap.reason == "SlotRecreated"
    assert carried(gone, is_gap_known=True) == replace(FACTS, slot=None)


def test_source_that_has_not_run_has_no_gap() -> None:
    lost = seen(replace(FACTS, slot=None))
    assert after_look(SourceMemory(), lost, "shop_storefront", has_run=True, now=NOW) == SourceMemory()
    assert after_look(KNOWN, lost, "shop_storefront", has_run=False, now=NOW) == KNOWN


def connector(state: str = "RUNNING") -> dict[str, Any]:
    return {
        "metadata": {"name": "storefront-profiles", "generation": 1},
        "spec": {"state": "running"},
        "status": {
            "observedGeneration": 1,
            "connectorStatus": {"connector": {"state": state}, "tasks": [{"id": 0, "state": state}]},
        },
    }


SOURCE, READER = "storefront-profiles", reader_name(PIPELINE, "7")
LATER = 4_000_000_000.0  # a look that began after everything


def step(memory: SourceMemory, now: Facts | None = None, value: str = "7", **states: str) -> SourceMemory:
    """Return the memory after a look; `source` and `reader` are the connectors' states."""
    names = {"source": SOURCE, "reader": READER}
    connectors = {names[who]: connector(state) for who, state in states.items()}
    look = seen(now, before=now, begun_s=LATER) if now else None
    return progress(memory, PIPELINE, value, connectors, look, NOW)


def with_reader(is_active: bool) -> Facts:
    return replace(FACTS, reader_slot=replace(SLOT, is_active=is_active))


def test_table_is_read_again_by_a_second_connector_while_the_source_stands() -> None:
    lost = after_look(KNOWN, seen(replace(FACTS, slot=None)), "shop_storefront", has_run=True, now=NOW)
    memory = step(lost, source="RUNNING")
    assert memory.phase == "Waiting"
    assert is_under_way(memory)
    assert step(memory, replace(FACTS, slot=None), source="RUNNING").phase == "Waiting", "no log is kept yet"
    assert step(memory, slot(wal_status="lost"), source="RUNNING").phase == "Waiting"
    early = progress(memory, PIPELINE, "7", {SOURCE: connector()}, seen(FACTS), NOW)
    assert early.phase == "Waiting", "a look that began before says nothing"
    memory = step(memory, FACTS, source="RUNNING")
    assert (memory.phase, source_stands(memory), reader_state(memory)) == ("Stopping", True, "")
    assert step(memory, FACTS, source="RUNNING") == memory
    memory = step(memory, FACTS, source="STOPPED")
    assert (memory.phase, source_stands(memory), reader_state(memory)) == ("Reading", True, "running")
    assert step(memory, with_reader(is_active=False), source="STOPPED", reader="RUNNING") == memory
    being_made = replace(FACTS, reader_slot=replace(SLOT, confirmed=0))
    assert step(memory, being_made, source="STOPPED", reader="RUNNING") == memory
    once = seen(with_reader(is_active=True), before=being_made, begun_s=LATER)
    assert progress(memory, PIPELINE, "7", {SOURCE: connector("STOPPED")}, once, NOW) == memory
    memory = step(memory, with_reader(is_active=True), source="STOPPED", reader="RUNNING")
    assert (memory.phase, source_stands(memory), reader_state(memory)) == ("Closing", True, "stopped")
    assert step(memory, FACTS, source="STOPPED", reader="RUNNING") == memory
    assert step(memory, with_reader(is_active=False), source="STOPPED", reader="STOPPED") == memory
    assert remembered(memory.document()) == memory, "it outlives the operator"
    done = step(memory, FACTS, source="STOPPED", reader="STOPPED")
    assert (done.phase, done.gap, source_stands(done), reader_state(done)) == ("Complete", None, False, "")
    assert leftovers(done, PIPELINE, {SOURCE: {}, READER: {}, "storefront-search": {}}) == [READER]
    assert step(done, FACTS, source="RUNNING") == done, "the same value asks for nothing more"
    assert step(done, FACTS, value="8", source="RUNNING").phase == "Waiting"
    assert step(done, FACTS, value="", source="RUNNING") == done


@pytest.mark.parametrize(
    "look", [seen(FACTS), seen(None, problem="password authentication failed")], ids=["reached", "refused"]
)
def test_source_that_somebody_deleted_is_made_again_whatever_the_last_look_shows(look: Look) -> None:
    """The last look still shows the slot as the connector that is gone read it."""
    gone: dict[str, Any] = {"children": {("KafkaConnector", SOURCE): None}, "source": look}
    assert not holds_source(PIPELINE, observed(**gone, memory=KNOWN))
    assert source_ready(PIPELINE, observed(**gone, memory=KNOWN)).reason != "SlotOfAnother"
    assert holds_source(PIPELINE, observed(**gone, memory=SourceMemory())), "a slot that was never ours"


def test_slot_that_a_killed_reader_left_does_not_hold_the_source_up_and_is_told() -> None:
    memory = replace(KNOWN, resnapshot="7", phase="Closing", since=NOW, since_s=0.0)
    left = with_reader(is_active=False)
    assert step(memory, left, source="STOPPED", reader="STOPPED").phase == "Complete"
    (finding,) = findings_of(wanted_of(PIPELINE), left, has_run=True)
    assert finding.sql == "SELECT pg_drop_replication_slot('shop_storefront_again');"
    reading = {"source": seen(left), "memory": replace(memory, phase="Reading")}
    assert found(PIPELINE, observed(**reading)) == [], "not while it is needed"


def test_reading_again_that_is_taken_back_lets_the_source_run() -> None:
    memory = replace(KNOWN, resnapshot="7", phase="Reading", since=NOW, since_s=1.0)
    assert step(memory, FACTS, value="", source="STOPPED") == KNOWN
    assert leftovers(KNOWN, PIPELINE, {SOURCE: {}, READER: {}}) == [READER]


def test_source_that_is_made_with_the_annotation_takes_its_first_snapshot_for_it() -> None:
    memory = step(SourceMemory())
    assert memory.phase == "Complete"
    assert rendered(observed(memory=memory, children=dict(NOT_MADE)))[SOURCE]["spec"]["state"] == "running"


NOT_MADE = {("KafkaConnector", "storefront-profiles"): None}


def test_source_stands_only_while_the_table_is_read_again() -> None:
    expected = {
        "": ("running", None),
        "Waiting": ("running", None),
        "Stopping": ("stopped", None),
        "Reading": ("stopped", "running"),
        "Closing": ("stopped", "stopped"),
        "Complete": ("running", None),
    }
    for phase, (source, second) in expected.items():
        objects = rendered(observed(memory=replace(KNOWN, resnapshot="7", phase=phase)))
        assert objects[SOURCE]["spec"]["state"] == source
        assert objects.get(READER, {}).get("spec", {}).get("state") == second


def test_second_connector_is_the_source_with_a_slot_of_its_own_that_it_drops() -> None:
    objects = rendered(observed(memory=replace(KNOWN, resnapshot="7", phase="Reading")))
    source, second = (objects[name]["spec"]["config"] for name in (SOURCE, READER))
    changed_ = {key: value for key, value in second.items() if source[key] != value}
    assert changed_ == {"slot.name": "shop_storefront_again", "slot.drop.on.stop": "true"}
    assert len(reader_slot("s" * 63)) == 63


def rendered(seen_: Observed) -> dict[str, dict[str, Any]]:
    """Return the objects by name; no pods yet, which matter nothing here."""
    children = {**seen_.children, ("StatefulSet", "storefront-processor"): None}
    there = {where: document for where, document in children.items() if document}
    objects = desired_objects(PIPELINE, "uid", PLATFORM, replace(seen_, children=there))
    return {wanted.name: wanted.document for wanted in objects}


BAD = replace(FACTS, wal_level="replica", slot=None)


def source_condition(**changes: Any) -> Any:
    return {c.type: c for c in conditions_of(PIPELINE, observed(**changes), Decided())}["SourceReady"]


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
        status = accepted_status(PIPELINE, observed(source=source), Decided(), DOCUMENT)
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
    status = accepted_status(PIPELINE, first, Decided(), DOCUMENT)
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


def test_positions_are_read_and_written_as_postgresql_does() -> None:
    assert shown(position("16/B374D848")) == "16/B374D848"
    assert position(None) == 0


def test_bare_host_means_the_pipelines_own_namespace() -> None:
    target = target_of(parse(changed({"source.postgres.host": "postgres"})), "me", "hunter2")
    assert (target.host, target.port) == ("postgres.shop.svc", 5432)
    target = target_of(parse(changed({"source.postgres.host": "db.example.com"})), "me", "hunter2")
    assert target.host == "db.example.com"
    assert "hunter2" not in repr(target)


def test_new_operator_keeps_what_was_known_of_the_source_until_it_has_looked() -> None:
    fits = observed(source=Look(0, facts=FACTS))
    document = DOCUMENT | {"status": status_of(fits)}
    assert condition(status_of(fits), "SourceReady")["status"] == "True"
    looking = observed(source=Look(0))
    assert status_of(looking, document) == document["status"]
    assert condition(status_of(looking), "SourceReady")["reason"] == "Looking"
    changed = document | {"metadata": DOCUMENT["metadata"] | {"generation": 4}}
    assert condition(status_of(looking, changed), "SourceReady")["reason"] == "Looking"
