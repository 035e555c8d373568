"""Settings: every problem at once, with what is allowed; the help text has every variable."""

import subprocess
import sys

import pytest
from clickstream_collector.errors import InvalidSettings
from clickstream_collector.settings import SETTINGS, read_settings

GOOD = {
    "CLICKSTREAM_COLLECTOR_BOOTSTRAP_SERVERS": "kafka:9092",
    "CLICKSTREAM_COLLECTOR_PIPELINE_ID": "shop.storefront",
    "CLICKSTREAM_COLLECTOR_KEYS_FILE": "/keys",
}


def test_defaults_follow_the_pipelines_id() -> None:
    settings = read_settings(GOOD)
    assert settings.identities_topic == "shop.storefront-identities"
    assert (settings.clicks_topic, settings.dead_letters_topic) == ("user-clicks", "dead-letters")


def test_open_needs_no_keys() -> None:
    given = {**GOOD, "CLICKSTREAM_COLLECTOR_KEYS_FILE": "", "CLICKSTREAM_COLLECTOR_OPEN": "on"}
    assert read_settings(given).keys_file is None


def test_every_problem_is_said_with_what_is_allowed() -> None:
    wrong = {
        "CLICKSTREAM_COLLECTOR_PORT": "70000",
        "CLICKSTREAM_COLLECTOR_IP": "keep",
        "CLICKSTREAM_COLLECTOR_TRUSTED_PROXIES": "10.0.0.0/99",
        "CLICKSTREAM_COLLECTOR_KAFKA_USER": "collector",
    }
    with pytest.raises(InvalidSettings) as invalid:
        read_settings(wrong)
    said = str(invalid.value).splitlines()
    assert {line.split(":")[0].removeprefix("CLICKSTREAM_COLLECTOR_") for line in said} == {
        "BOOTSTRAP_SERVERS",
        "PIPELINE_ID",
        "KEYS_FILE",
        "KAFKA_PASSWORD_FILE",
        "PORT",
        "IP",
        "TRUSTED_PROXIES",
    }
    assert "CLICKSTREAM_COLLECTOR_IP: keep: must be one of truncate, drop" in said
    assert "CLICKSTREAM_COLLECTOR_PORT: 70000: must be a whole number from 1 to 65535" in said


@pytest.mark.real
def test_help_has_every_variable_and_wrong_settings_end_with_2() -> None:
    program = [sys.executable, "-m", "clickstream_collector"]
    text = subprocess.run([*program, "--help"], capture_output=True, text=True, check=True).stdout
    assert [setting.name for setting in SETTINGS if f"  {setting.name} " not in text] == []
    ended = subprocess.run(program, capture_output=True, text=True, check=False, env={})
    assert ended.returncode == 2
    assert "CLICKSTREAM_COLLECTOR_BOOTSTRAP_SERVERS: is required" in ended.stderr
