"""Nothing secret leaves in a text."""

import pytest
from clickstream_operator.redaction import HIDDEN, redactor


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("no login with hunter2hunter2 for debezium", "for debezium"),
        ("jdbc:postgresql://debezium:other@postgres/shop", "@postgres/shop"),
        ("database.password=other, database.hostname=postgres", "database.hostname=postgres"),
        ('{"password": "other", "user": "debezium"}', '"user": "debezium"'),
        ("sasl.jaas.config: user=\"a\" password='other';", 'user="a"'),
        ("Authorization token: other failed", "failed"),
    ],
    ids=["known value", "user info", "property", "JSON", "JAAS", "token"],
)
def test_secret_is_hidden_and_the_rest_stays(text: str, kept: str) -> None:
    redacted = redactor(["hunter2hunter2"])(text)
    assert "hunter2hunter2" not in redacted
    assert "other" not in redacted
    assert HIDDEN in redacted
    assert kept in redacted


def test_short_values_do_not_blank_out_words() -> None:
    assert redactor(["is"])("this is it") == "this is it"


def test_longer_value_is_hidden_before_its_part() -> None:
    assert redactor(["secret", "secret-and-more"])("x secret-and-more y") == f"x {HIDDEN} y"
