"""What the pods of a pipeline get for their Kafka user: Secrets, variables, and the way out."""

from typing import Any

import pytest
from clickstream_operator.manifests import collector, collector_access, network, statefulset
from clickstream_operator.manifests.secrets import controller_secrets, secret_uses
from clickstream_operator.manifests.settings import settings_document
from clickstream_operator.spec.clickpipeline import ClickPipeline, parse
from operator_support.documents import Changes, changed, tokens
from operator_support.example_pipelines import PLATFORM

PASSWORD, CERTIFICATE, SECRET = ("password",), ("user.crt", "user.key"), ("clientSecret",)
TYPES = {
    "scram-sha-256": PASSWORD,
    "scram-sha-512": PASSWORD,
    "plain": PASSWORD,
    "tls": CERTIFICATE,
    "oauthbearer": SECRET,
}


def of(kind: str, **oauth: Any) -> ClickPipeline:
    """Return a pipeline with three users of this type."""
    user: Changes = tokens(**oauth) if kind == "oauthbearer" else {"type": kind, "user": "storefront"}
    changes = {
        "kafka.tls": {"caSecret": "ca"},
        "kafka.authentication": user | {"controllerUser": "operator"},
        "collector": {"open": True, "kafkaUser": "collector"},
    }
    return parse(changed(changes))


@pytest.mark.parametrize("kind", TYPES)
def test_each_user_has_a_secret_with_the_keys_of_its_type(kind: str) -> None:
    pipeline = of(kind)
    uses = {use.name: use for use in secret_uses(pipeline)}
    assert [uses[name].keys for name in ("storefront", "collector", "operator")] == [TYPES[kind]] * 3
    assert uses["storefront"].by_processors
    assert not uses["storefront"].by_collector
    assert uses["collector"].by_collector
    assert not uses["collector"].by_processors
    assert controller_secrets(pipeline) == {"operator", "ca"}


def test_the_ca_of_the_endpoint_is_mounted_by_all_who_get_tokens() -> None:
    pipeline = of("oauthbearer", caSecret="sso-ca")
    assert "sso-ca" in statefulset.mounted_secrets(pipeline)
    assert "sso-ca" in collector.secrets_of_start(pipeline)
    assert controller_secrets(pipeline) == {"operator", "ca", "sso-ca"}


@pytest.mark.parametrize(("endpoint", "port"), [("https://sso/token", 443), ("https://sso:8443/token", 8443)])
def test_pods_and_collector_reach_the_endpoint(endpoint: str, port: int) -> None:
    pipeline = of("oauthbearer", tokenEndpoint=endpoint)
    for policy in (
        network.network_policy(pipeline, PLATFORM),
        collector_access.network_policy(pipeline, PLATFORM),
    ):
        assert {"ports": [{"protocol": "TCP", "port": port}]} in policy["spec"]["egress"]
    without = of("plain")
    for policy in (
        network.network_policy(without, PLATFORM),
        collector_access.network_policy(without, PLATFORM),
    ):
        assert {"ports": [{"protocol": "TCP", "port": 443}]} not in policy["spec"]["egress"]


def test_no_variable_and_no_setting_has_a_secret_but_its_file() -> None:
    pipeline = of("oauthbearer", caSecret="sso-ca", extensions={"logicalCluster": "lkc-1"})
    assert pipeline.spec.collector is not None
    given = collector.environment(pipeline, pipeline.spec.collector, "INFO")
    of_kafka = {n.removeprefix("CLICKSTREAM_COLLECTOR_KAFKA_"): v for n, v in given.items() if "_KAFKA_" in n}
    folder = "/etc/clickstream/secrets"
    assert of_kafka == {
        "TLS": "on",
        "CA_FILE": f"{folder}/ca/ca.crt",
        "AUTHENTICATION": "oauthbearer",
        "USER": "collector",
        "USER_FILE": f"{folder}/collector/clientId",
        "PASSWORD_FILE": f"{folder}/collector/clientSecret",
        "TOKEN_ENDPOINT": "https://sso.example.com/token",
        "TOKEN_EXTENSIONS": "logicalCluster=lkc-1",
        "TOKEN_CA_FILE": f"{folder}/sso-ca/ca.crt",
    }
    written = settings_document(pipeline)["kafka"]["authentication"]
    assert set(written) == {"type", "user", "oauth"}


def test_settings_of_a_change_that_is_the_operators_alone_are_the_same() -> None:
    clear, plain = ({"type": "plain", "user": "storefront", "allowClearText": a} for a in (True, False))
    documents = [
        settings_document(parse(changed({"kafka.tls": {}, "kafka.authentication": user})))
        for user in (clear, plain)
    ]
    assert documents[0] == documents[1]
