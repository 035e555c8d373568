"""Every object of two pipelines, as files that a reviewer reads: `pytest --golden` writes them again."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from clickstream_operator.manifests import connectors, names, secrets, settings, statefulset, topics
from clickstream_operator.spec.clickpipeline import parse
from operator_support import collector_documents
from operator_support.documents import changed
from operator_support.example_pipelines import PLATFORM, everything, example

# One that says as little as may be, and one that says all, with a Kafka user of its own.
COLLECTORS = {
    "least": collector_documents.collector({"open": True}),
    "full": collector_documents.USER
    | {"collector": collector_documents.FULL | {"kafkaUser": "storefront-collector"}},
}
GOLDEN = Path(__file__).parent / "golden"


def compare(path: Path, text: str, write: bool) -> None:
    if write:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert path.read_text() == text, f"{path.name} differs: look, then `pytest --golden` takes the new one"


@pytest.mark.parametrize(
    "name", ["storefront", "secured", "fraud", "with-collector", "without-profiles", "with-a-sink"]
)
def test_objects_are_the_golden_ones(name: str, request: pytest.FixtureRequest) -> None:
    documents = [wanted.document for wanted in everything(example(name))]
    text = yaml.safe_dump_all(documents, sort_keys=False, width=1000)
    compare(GOLDEN / f"{name}.yaml", text, request.config.getoption("--golden"))


@pytest.mark.parametrize("name", ["least", "full"])
def test_objects_of_a_collector_are_the_golden_ones(name: str, request: pytest.FixtureRequest) -> None:
    changes = COLLECTORS[name]
    documents = [wanted.document for wanted in everything(parse(changed(changes)))]
    of_collector = [each for each in documents if each["metadata"]["name"] == "storefront-collector"]
    text = yaml.safe_dump_all(of_collector, sort_keys=False, width=1000)
    compare(GOLDEN / f"collector-{name}.yaml", text, request.config.getoption("--golden"))


@pytest.mark.parametrize("flavour", ["clickstream", "opensearch", "elasticsearch"])
def test_sink_flavours_are_the_golden_ones(flavour: str, request: pytest.FixtureRequest) -> None:
    changes = {"sink.search.connector": flavour, "sink.search.credentialsSecret": "search-credentials"}
    pipeline = parse(changed(changes))
    sink = connectors.search_connector(pipeline, connectors.cluster_references(pipeline))
    text = json.dumps(sink.rest(), indent=2) + "\n"
    compare(GOLDEN / f"sink-{flavour}.json", text, request.config.getoption("--golden"))


@pytest.mark.parametrize("flavour", ["clickstream", "opensearch", "elasticsearch"])
def test_every_sink_reads_committed_and_keeps_what_the_engine_refuses(flavour: str) -> None:
    pipeline = parse(changed({"sink.search.connector": flavour}))
    config = connectors.search_connector(pipeline, connectors.cluster_references(pipeline)).config
    assert config["consumer.override.isolation.level"] == "read_committed"
    assert config["errors.deadletterqueue.topic.name"] == "dead-letters"
    assert "event_id" in (config.get("id.field"), config.get("transforms.id.fields"))


def test_no_connector_holds_its_reserved_options_or_a_secret() -> None:
    pipeline = example("secured")
    reference = connectors.cluster_references(pipeline)
    for connector in (
        connectors.profiles_connector(pipeline, reference),
        connectors.search_connector(pipeline, reference),
    ):
        reserved = {"name", "connector.class", "tasks.max", "connector.plugin.version"}
        assert not reserved & set(connector.config)
        for option, value in connector.config.items():
            if option.endswith(("password", "username", "user")):
                assert value.startswith("${secrets:shop/")


def test_engines_ca_is_read_by_the_sink_and_mounted_for_the_pods() -> None:
    pipeline = example("secured")
    sink = connectors.search_connector(pipeline, connectors.cluster_references(pipeline))
    assert sink.config["tls.ca.pem"] == "${secrets:shop/search-ca:ca.crt}"
    (use,) = [use for use in secrets.secret_uses(pipeline) if use.name == "search-ca"]
    assert use == secrets.SecretUse("search-ca", ("ca.crt",), by_connect=True, by_processors=True)
    assert "search-ca" in statefulset.mounted_secrets(pipeline)


def test_sink_leaves_out_what_the_pods_drop() -> None:
    pipeline = parse(changed({"sink.search.retention": "5d"}))
    config = connectors.search_connector(pipeline, connectors.cluster_references(pipeline)).config
    assert config["index.retention.days"] == "5"


def test_secrets_of_a_folder_are_referred_to_by_file() -> None:
    pipeline = example("storefront")
    reference = connectors.directory_references(pipeline, "/run/secrets")
    config = connectors.profiles_connector(pipeline, reference).config
    assert config["database.password"] == "${secrets:/run/secrets/postgres-credentials:password}"


def test_source_keys_rows_by_a_column_of_another_name() -> None:
    pipeline = parse(changed({"source.postgres.key": "customer"}))
    config = connectors.profiles_connector(pipeline, connectors.cluster_references(pipeline)).config
    assert config["transforms.rows.key"] == "customer"
    assert config["message.key.columns"] == r"(?-i)public\.user_profiles:customer"
    assert config["column.include.list"].startswith(r"(?-i)public\.user_profiles\.customer,")


def test_changelog_outlives_the_window_by_the_tolerated_downtime() -> None:
    pipeline = parse(changed({"processing.window": {"size": "10m", "grace": "5m", "retention": "2h"}}))
    week_ms = 7 * 24 * 3_600_000
    assert topics.changelog_retention_ms(pipeline) == 600_000 + 300_000 + 7_200_000 + week_ms


def test_topic_with_capitals_gets_an_object_name_kubernetes_takes() -> None:
    assert names.topic_object("user-clicks") == "user-clicks"
    assert names.topic_object("User_Clicks").startswith("user-clicks-")
    assert names.topic_object("User_Clicks") != names.topic_object("User-Clicks")


def test_scaling_rolls_no_pod() -> None:
    def digest(changes: dict[str, Any]) -> str:
        return settings.settings_hash(settings.settings_document(parse(changed(changes))))

    assert digest({"processors.replicas": 4}) == digest({})
    assert digest({"processing.window": {"grace": "2m"}}) != digest({})


def test_pods_are_restricted() -> None:
    spec = statefulset.statefulset(example("storefront"), PLATFORM, "")["spec"]["template"]["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    context = spec["containers"][0]["securityContext"]
    assert context["readOnlyRootFilesystem"] is True
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert spec["terminationGracePeriodSeconds"] > 10


def test_local_settings_name_every_pod_by_port() -> None:
    document = settings.settings_document(example("storefront"), "127.0.0.1", 18081, 1)
    assert document["peers"] == {"host": "127.0.0.1", "port": 18081, "portStep": 1}
