"""What the controllers of the leader are told."""

import pytest
from clickstream_operator.controllers import seen_from_afar


@pytest.mark.parametrize(
    ("servers", "seen"),
    [
        ("events-kafka-bootstrap:9092", "events-kafka-bootstrap.shop.svc:9092"),
        ("a:9093,b.kafka:9093", "a.shop.svc:9093,b.kafka:9093"),
        ("broker.example.com:9094", "broker.example.com:9094"),
        ("127.0.0.1:9092", "127.0.0.1:9092"),
        ("[::1]:9092", "[::1]:9092"),
        ("localhost:9092", "localhost:9092"),
    ],
    ids=["a Service", "a list", "a domain", "an address", "an IPv6 address", "this machine"],
)
def test_a_bare_name_of_a_broker_is_the_pipelines_own_service(servers: str, seen: str) -> None:
    assert seen_from_afar(servers, "shop") == seen
