"""What is refused before anything starts, and the line that says what to do."""

import argparse
import os
import socket
from pathlib import Path

import pytest
from clickstream_local.errors import CannotStart
from clickstream_local.machine.ports import HOST, Port, check_free, free_port, free_row
from clickstream_local.parts.search import choose_engine
from clickstream_local.pipeline import resources
from clickstream_local.pipeline.options import add_flags, options_from


def flags(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_flags(parser)
    return parser.parse_args(words)


def test_a_port_in_use_is_named_with_its_user_and_its_setting() -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(CannotStart) as refusal:
            check_free([Port(port, "Kafka", "KAFKA_PORT"), Port(free_port(), "search", "SEARCH_PORT")])
    assert f"port {port} (Kafka) is in use" in str(refusal.value)
    assert f"(process {os.getpid()})" in str(refusal.value)
    assert "set KAFKA_PORT to a free port" in str(refusal.value)
    assert "SEARCH_PORT" not in str(refusal.value)


def test_every_port_of_a_run_has_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = resources.wanted_ports(options_from(flags("--pods", "3"), "demo"))
    for setting in {port.setting for port in wanted}:
        before = {port.number for port in wanted if port.setting == setting}
        monkeypatch.setenv(setting, "20000")
        changed = resources.wanted_ports(options_from(flags("--pods", "3"), "demo"))
        assert {port.number for port in changed if port.setting == setting} == set(
            range(20000, 20000 + len(before))
        )
        monkeypatch.delenv(setting)


def test_default_ports_do_not_collide_up_to_ten_pods() -> None:
    numbers = [port.number for port in resources.wanted_ports(options_from(flags("--pods", "10"), "demo"))]
    assert len(numbers) == len(set(numbers))


def test_too_little_memory_says_how_much_is_needed() -> None:
    with pytest.raises(CannotStart, match=r"1\.0 GB of memory are free and 2\.8 GB are needed.*PODS=1"):
        resources.check_memory(1_000_000_000, pods=2)
    resources.check_memory(2_800_000_000, pods=2)


def test_a_full_disk_names_the_folder() -> None:
    with pytest.raises(CannotStart, match=r"/data.*--data"):
        resources.check_disk(1_000_000_000, Path("/data"))


def test_flags_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODS", "3")
    monkeypatch.setenv("RATE", "1e3")
    options = options_from(flags("--pods", "4"), "demo")
    assert (options.pods, options.rate) == (4, 1000.0)


@pytest.mark.parametrize(("name", "value"), [("PODS", "two"), ("RATE", "fast"), ("KAFKA_PORT", "9092x")])
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(CannotStart, match=f"{name} is '{value}': it must be a"):
        options_from(flags(), "demo")


def test_no_pods_at_all_is_refused() -> None:
    with pytest.raises(CannotStart, match="PODS must be at least 1"):
        options_from(flags("--pods", "0"), "demo")


def test_an_unknown_engine_is_refused_with_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEARCH_ENGINE", "solr")
    with pytest.raises(CannotStart, match="'solr': it can be opensearch or elasticsearch"):
        choose_engine()


def test_a_row_of_ports_is_free() -> None:
    first = free_row(4)
    check_free([Port(first + i, "part", "PORT") for i in range(4)])
