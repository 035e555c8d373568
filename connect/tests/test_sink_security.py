"""TLS and basic authentication, through a proxy that asks for both."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from clickstream_local.parts.connect import Connect
from clickstream_local.parts.search import SearchEngine
from clickstream_local.web import request
from gate import Certificates, Gate
from indexing import Indexing, click, eventually

PASSWORD = "open-sesame"  # noqa: S105 (of the test's own proxy)
WRONG = "open-barley"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Give an authority that nobody trusts by default."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def gate(engine: SearchEngine, certificates: Certificates) -> Iterator[Gate]:
    """Give a proxy in front of the engine."""
    proxy = Gate(engine.url, certificates, "ali", PASSWORD)
    proxy.start()
    yield proxy
    proxy.stop()


def test_a_wrong_password_waits_and_the_right_one_goes_on(
    indexing: Indexing, gate: Gate, certificates: Certificates, connect_worker: Connect, parts_folder: Path
) -> None:
    url = f"https://localhost:{gate.port}"
    secret = connect_worker.secrets / indexing.name
    secret.mkdir(parents=True)
    (secret / "password").write_text(WRONG)
    reference = f"${{secrets:{secret}:password}}"
    options = {
        "url": url,
        "username": "ali",
        "password": reference,
        "tls.ca.path": str(certificates.authority),
    }
    indexing.produce(click(number)[1] for number in range(1_000))

    indexing.start(options)
    eventually(lambda: gate.refused >= 4, 60, "refused")
    assert gate.passed == 0
    assert indexing.states() == {"RUNNING"}
    assert indexing.committed() == 0

    (secret / "password").write_text(PASSWORD)
    indexing.start(options | {"retry.backoff.ms": "400"})  # a changed option: the tasks start again
    indexing.wait_for(1_000)
    assert gate.passed > 0
    assert indexing.dead_letters() == []
    log = (parts_folder / "connect" / "connect.log").read_text()
    assert "answers with status 401" in log
    assert PASSWORD not in log
    assert WRONG not in log
    assert WRONG not in str(connect_worker.status(indexing.name))


def test_an_authority_given_as_text_is_trusted_and_an_unknown_one_waited_out(
    indexing: Indexing, gate: Gate, certificates: Certificates, parts_folder: Path
) -> None:
    indexing.produce(click(number)[1] for number in range(10))
    options = {"url": f"https://localhost:{gate.port}", "username": "ali", "password": PASSWORD}
    log = parts_folder / "connect" / "connect.log"
    before = log.stat().st_size

    indexing.start(options)
    eventually(lambda: "SSLHandshakeException" in log.read_text()[before:], 60, "refused")
    assert gate.passed == 0

    indexing.start(options | {"tls.ca.pem": certificates.authority.read_text()})
    indexing.wait_for(10)
    assert indexing.dead_letters() == []


def test_a_wrong_option_is_refused_with_what_is_allowed(
    connect_worker: Connect, engine: SearchEngine
) -> None:
    plugin = "dev.clickstream.connect.SearchSinkConnector"
    path = f"{connect_worker.url}/connector-plugins/SearchSinkConnector/config/validate"
    wrong = {"url": engine.url, "index": "Clicks", "username": "ali", "batch.max.records": "0"}
    answer = request(
        "PUT", path, {"name": "x", "topics": "x", "connector.class": plugin, **wrong}, timeout_s=30
    )
    found = {
        value["value"]["name"]: value["value"]["errors"][0]
        for value in answer.json()["configs"]
        if value["value"]["errors"]
    }
    assert set(found) == {"index", "batch.max.records"}
    assert "in lower case" in found["index"]
    assert "at least 1" in found["batch.max.records"]
