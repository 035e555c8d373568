"""TLS and basic authentication, through a proxy that asks for both."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from clickstream_local.machine.web import request
from clickstream_local.parts.connect import Connect
from clickstream_local.parts.search import SearchEngine
from clickstream_local.testing.eventually import eventually
from clickstream_processor.query.search.index import EngineFailed, SearchIndex, SearchOptions
from clickstream_processor.query.search.query import parse_search
from gate import Certificates, Gate
from indexing import Indexing, click

PASSWORD = "open-sesame"  # noqa: S105 (of the test's own proxy)
WRONG = "open-barley"
API_KEY = "VnVhQ2ZHY0JDZGJrU2VfX0Y6dWkybHAyYXhURmktVWc9PQ=="


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
    eventually(lambda: gate.refused >= 4, "refused")
    assert gate.passed == 0
    eventually(lambda: indexing.states() == {"RUNNING"}, "its tasks run")
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
    eventually(lambda: "SSLHandshakeException" in log.read_text()[before:], "refused")
    assert gate.passed == 0

    indexing.start(options | {"tls.ca.pem": certificates.authority.read_text()})
    indexing.wait_for(10)
    assert indexing.dead_letters() == []


async def test_an_engine_with_a_ca_of_its_own_is_filled_by_the_sink_and_asked_by_the_pods(
    indexing: Indexing, gate: Gate, certificates: Certificates, connect_worker: Connect, tmp_path: Path
) -> None:
    """B24: both read the same Secret's key ca.crt; the sink through Connect's provider, pods as a file."""
    secret = connect_worker.secrets / f"{indexing.name}-ca"
    secret.mkdir(parents=True)
    (secret / "ca.crt").write_text(certificates.authority.read_text())
    url = f"https://localhost:{gate.port}"
    user = tmp_path / "user"
    user.mkdir()
    (user / "username").write_text("ali")
    (user / "password").write_text(PASSWORD)
    ca = tmp_path / "ca.crt"
    options = SearchOptions(
        url=url, index=indexing.name, credentials=user, ca=ca, connect_timeout_s=30, total_timeout_s=60
    )

    async with SearchIndex(options) as index:
        with pytest.raises(EngineFailed, match=r"sink\.search\.tls\.caSecret, key ca\.crt\) cannot be read"):
            await index.ensure_template()
        ca.write_text(Certificates(user).authority.read_text())  # of somebody else
        with pytest.raises(EngineFailed, match="must hold the CA that signed it"):
            await index.ensure_template()
        assert "not trusted" in index.detail
        ca.unlink()  # a Secret's volume swaps the file
        ca.write_text(certificates.authority.read_text())
        await index.ensure_template()
        assert index.ready

        indexing.produce(click(number)[1] for number in range(10))
        access = {"url": url, "username": "ali", "password": PASSWORD}
        indexing.start(access | {"tls.ca.pem": f"${{secrets:{secret}:ca.crt}}"})
        indexing.wait_for(10)
        assert (await index.search(parse_search({}))).total == 10
    async with SearchIndex(replace(options, ca=None)) as index:
        with pytest.raises(EngineFailed, match="can name a Secret with the CA that signed it"):
            await index.ensure_template()


async def test_an_api_key_of_elasticsearch_opens_the_engine_to_the_sink_and_to_the_pods(
    indexing: Indexing, engine: SearchEngine, certificates: Certificates, connect_worker: Connect
) -> None:
    """Both read the same Secret's key apiKey, which ends with a newline as files do."""
    if engine.engine != "elasticsearch":
        pytest.skip("OpenSearch has no API keys")
    secret = connect_worker.secrets / f"{indexing.name}-key"
    secret.mkdir(parents=True)
    key = secret / "apiKey"
    key.write_text(WRONG)
    gate = Gate(engine.url, certificates, "", "", API_KEY)
    gate.start()
    url = f"https://localhost:{gate.port}"
    options = SearchOptions(
        url=url,
        index=indexing.name,
        api_key=key,
        ca=certificates.authority,
        connect_timeout_s=30,
        total_timeout_s=60,
    )
    access = {
        "url": url,
        "api.key": f"${{secrets:{secret}:apiKey}}",
        "tls.ca.path": str(certificates.authority),
    }
    try:
        async with SearchIndex(options) as index:
            with pytest.raises(EngineFailed, match="status 401"):
                await index.ensure_template()
            assert WRONG not in index.detail
            key.write_text(API_KEY + "\n")
            await index.ensure_template()
            indexing.produce(click(number)[1] for number in range(10))
            indexing.start(access)
            indexing.wait_for(10)
            assert (await index.search(parse_search({}))).total == 10
        assert API_KEY not in str(connect_worker.status(indexing.name))
    finally:
        gate.stop()


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
