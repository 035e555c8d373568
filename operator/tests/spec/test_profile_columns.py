"""Which columns of the profile table are sent: what is read, and no row grows by a column nobody reads."""

from typing import Any

import pytest
from clickstream_operator.spec.clickpipeline import parse
from clickstream_operator.spec.columns import columns_read, columns_taken
from clickstream_operator.spec.tables import table_of
from operator_support.documents import changed
from operator_support.metric_documents import metric, metrics

CONTRACT = ("user_id", "name", "email", "country", "plan_tier")
FILTER, SET = "processing.filter", "processing.transform.set"


@pytest.mark.parametrize(
    ("expression", "read"),
    [
        ('click.action != "heartbeat"', set()),
        ('profile.segment == "b2b" && has(profile.vip)', {"segment", "vip"}),
        ("profile . segment != null", {"segment"}),
        ("profile.prefs.theme == 'dark'", {"prefs"}),
        ("click.profile.x == 1", set()),
        ("""click.action == "profile.x" || click.action == 'profile["x"]'""", set()),
        ("click.action == 'x' // profile", set()),
        ('profile.name != "x"', {"name"}),
        ('profile["segment"] == "b2b" || "vip" in profile', {"segment", "vip"}),
        ("profile[click.action] == 1", None),
        ("size(profile) > 3", None),
        ("profile.exists(c, c == 'x')", None),
        ("", set()),
    ],
)
def test_columns_that_an_expression_reads(expression: str, read: set[str] | None) -> None:
    assert columns_read([expression]) == read


@pytest.mark.parametrize(
    ("changes", "taken"),
    [
        ({}, CONTRACT),
        ({FILTER: 'profile.segment == "b2b"'}, (*CONTRACT, "segment")),
        ({SET: {"vip": "profile.vip", "who": "profile.user_id"}}, (*CONTRACT, "vip")),
        ({"source.postgres.key": "customer"}, ("customer", *CONTRACT[1:])),
        ({"source.postgres.columns": ["name"]}, ("user_id", "name")),
        ({"source.postgres.columns": []}, ("user_id",)),
        ({"source.postgres.columns": ["name"], FILTER: "profile.vip == true"}, ("user_id", "name", "vip")),
        ({FILTER: "size(profile) > 1"}, None),
        (metrics(metric(where="profile.vip == true")), (*CONTRACT, "vip")),
        (metrics(metric(by={"segment": "profile.segment"})), (*CONTRACT, "segment")),
        (metrics(metric(), {"name": "a", "sum": "profile.worth"}), (*CONTRACT, "worth")),
        (metrics({"name": "a", "distinct": 'profile["team"]'}), (*CONTRACT, "team")),
        ({"source.postgres.columns": []} | metrics({"name": "a", "max": "profile.age"}), ("user_id", "age")),
        (metrics({"name": "a", "min": "size(profile)"}), None),
        (metrics({"name": "a", "avg": "click.amount"}), CONTRACT),
    ],
)
def test_columns_taken_are_the_contracts_or_the_chosen_and_those_read(
    changes: dict[str, Any], taken: tuple[str, ...] | None
) -> None:
    assert columns_taken(parse(changed(changes))) == taken


@pytest.mark.parametrize(
    ("text", "schema", "name", "topic"),
    [
        ("public.user_profiles", "public", "user_profiles", r"p\.public\.user_profiles"),
        ('"tenant-1"."User Profiles"', "tenant-1", "User Profiles", r"p\.tenant-1\.User_Profiles"),
        ('public."a.b"', "public", "a.b", r"p\.public\.a\.b"),
        ('public."größe😀"', "public", "größe😀", r"p\.public\.gr__e__"),
    ],
)
def test_names_that_need_quoting_are_read_as_sql_reads_them(
    text: str, schema: str, name: str, topic: str
) -> None:
    table = table_of(text)
    assert (table.schema, table.name) == (schema, name)
    assert table.sql == f'"{schema}"."{name}"'
    assert table.topic("p") == topic
