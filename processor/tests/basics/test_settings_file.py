"""The settings file and the environment: what is read, and how everything wrong is said at once."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from clickstream_processor.errors import InvalidSettings
from clickstream_processor.kafka.client import connection
from clickstream_processor.settings.settings import Settings
from clickstream_processor.settings.settings_file import load
from clickstream_processor.stages.programs import compile_programs, plan_of

DOCUMENT: dict[str, Any] = {
    "settingsVersion": 1,
    "name": "storefront",
    "namespace": "shop",
    "id": "shop.storefront",
    "kafka": {"bootstrapServers": "events-kafka-bootstrap:9092"},
    "peers": {"host": "storefront-processor-{ordinal}.storefront-processors.shop.svc"},
}


class Place:
    """A folder with a settings file and secrets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            "CLICKSTREAM_SETTINGS": str(folder / "settings.json"),
            "CLICKSTREAM_ORDINAL": "2",
            "CLICKSTREAM_SECRETS_DIR": str(folder),
            "CLICKSTREAM_DATA_DIR": str(folder / "data"),
        }

    def load(self, changes: dict[str, Any] | None = None, **environment: str) -> Settings:
        """Write the document with these changes and load it."""
        (self.folder / "settings.json").write_text(json.dumps(DOCUMENT | (changes or {})))
        return load(self.environment | environment)

    def problems(self, changes: dict[str, Any] | None = None, **environment: str) -> list[str]:
        """Return what is said about wrong settings."""
        with pytest.raises(InvalidSettings) as caught:
            self.load(changes, **environment)
        return str(caught.value).splitlines()

    def write_secret(self, name: str, key: str, value: str) -> None:
        """Write a mounted Secret's key."""
        (self.folder / name).mkdir(exist_ok=True)
        (self.folder / name / key).write_text(value)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_what_is_not_given_has_the_contracts_default(place: Place) -> None:
    settings = place.load()
    assert settings.topics.clicks == "user-clicks"
    assert settings.topics.partitions == 12
    window = settings.processing.window
    assert (window.size_ms, window.advance_ms, window.grace_ms) == (300_000, None, 60_000)
    assert settings.processing.commit_interval_ms == 100
    assert settings.processors.resources.limits.memory_bytes == 1 << 30
    assert settings.pod.ordinal == 2
    assert (settings.pod.query_port, settings.pod.admin_port) == (8080, 8081)
    assert settings.changelog_topic == "shop.storefront-changelog"


def test_durations_and_quantities_are_read_with_their_units(place: Place) -> None:
    window = {"size": "10s", "advance": "5s", "grace": "0ms", "retention": "24h"}
    settings = place.load(
        {
            "processing": {"window": window, "commitInterval": "1s"},
            "processors": {"resources": {"limits": {"memory": "512Mi", "cpu": "2"}}},
        }
    )
    plan = plan_of(settings)
    assert (plan.size_ms, plan.step_ms, plan.grace_ms, plan.retention_ms) == (10_000, 5_000, 0, 86_400_000)
    assert settings.processors.resources.limits.memory_bytes == 512 << 20


def test_everything_wrong_is_said_at_once_with_its_path(place: Place) -> None:
    problems = place.problems(
        {
            "kafka": {},
            "topics": {"partitions": 0},
            "processing": {"window": {"size": "5 minutes"}, "join": {"type": "outer"}},
            "sink": {"search": {"url": "ftp://search"}},
            "query": 7,
        },
        CLICKSTREAM_ADMIN_PORT="http",
        CLICKSTREAM_ASSIGNMENT="static",
    )
    paths = sorted(problem.partition(": ")[0] for problem in problems)
    assert paths == [
        "CLICKSTREAM_ADMIN_PORT",
        "CLICKSTREAM_ASSIGNMENT",
        "kafka.bootstrapServers",
        "processing.join.type",
        "processing.window.size",
        "query",
        "sink.search.url",
        "topics.partitions",
    ]
    assert any('"5 minutes"' in problem and "from 1s to 744h" in problem for problem in problems)


def test_fields_of_a_newer_operator_are_ignored_and_named(place: Place) -> None:
    settings = place.load({"connect": {"cluster": "c"}, "query": {"port": 8080, "cache": True}})
    assert settings.ignored == ("query.cache", "connect")


@pytest.mark.parametrize(
    ("changes", "environment", "said"),
    [
        ({"settingsVersion": 6}, {}, "settingsVersion: 6 is newer"),
        ({"processing": {"window": {"size": "1s", "advance": "2s"}}}, {}, "processing.window.advance"),
        ({"processing": {"window": {"size": "100ms"}}}, {}, "processing.window.size"),
        ({"processing": {"commitInterval": "1ms"}}, {}, "processing.commitInterval"),
        ({}, {"CLICKSTREAM_ASSIGNMENT": "static:13"}, "more than topics.partitions"),
        ({}, {"CLICKSTREAM_ASSIGNMENT": "static:2"}, "CLICKSTREAM_ORDINAL: 2"),
        ({}, {"CLICKSTREAM_LOG_FORMAT": "xml"}, "CLICKSTREAM_LOG_FORMAT"),
        ({}, {"CLICKSTREAM_SETTINGS": "/nowhere"}, "cannot read /nowhere"),
    ],
)
def test_what_no_single_field_shows_is_refused(
    place: Place, changes: dict[str, Any], environment: dict[str, str], said: str
) -> None:
    assert any(said in problem for problem in place.problems(changes, **environment))


def test_scram_and_tls_come_from_mounted_secrets(place: Place) -> None:
    place.write_secret("ca", "ca.crt", "certificate")
    place.write_secret("shop-user", "password", "s3cret-word\n")
    kafka = {
        "bootstrapServers": "b:9093",
        "tls": {"caSecret": "ca"},
        "authentication": {"type": "scram-sha-512", "user": "shop-user"},
    }
    config = connection(place.load({"kafka": kafka}), "test")
    assert config["security.protocol"] == "SASL_SSL"
    assert config["sasl.mechanism"] == "SCRAM-SHA-512"
    assert (config["sasl.username"], config["sasl.password"]) == ("shop-user", "s3cret-word")
    assert config["ssl.ca.location"] == str(place.folder / "ca" / "ca.crt")


def test_a_secret_that_is_missing_is_named_with_its_file(place: Place) -> None:
    kafka = {"bootstrapServers": "b:9093", "tls": {"caSecret": "ca"}}
    settings = place.load({"kafka": kafka})
    with pytest.raises(InvalidSettings, match=r"secret ca, key ca\.crt: cannot read .*No such file"):
        connection(settings, "test")


def test_a_wrong_expression_is_refused_with_its_path(place: Place) -> None:
    settings = place.load({"processing": {"filter": "click.acton =="}})
    with pytest.raises(InvalidSettings, match=r"processing\.filter"):
        compile_programs(settings)


def run(place: Place, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "clickstream_processor", *arguments]
    return subprocess.run(
        command, env=place.environment | environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_check_says_whether_the_settings_are_valid(place: Place) -> None:
    place.load({"future": 1})
    good = run(place, "--check")
    assert (good.returncode, good.stderr) == (0, "")
    assert "future: not known to this version, ignored" in good.stdout
    bad = run(place, "--check", CLICKSTREAM_ORDINAL="x")
    assert bad.returncode == 2
    assert "CLICKSTREAM_ORDINAL: 'x' must be a whole number" in bad.stderr


def test_help_and_version_need_no_settings(place: Place) -> None:
    assert "CLICKSTREAM_SETTINGS" in run(place, "--help").stdout
    assert run(place, "--version").stdout.startswith("clickstream-processor ")
