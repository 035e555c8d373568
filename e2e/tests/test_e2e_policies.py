"""NetworkPolicies: the pods are reached where they serve, and nowhere else."""

from clickstream_e2e.storefront import Storefront


def test_only_the_query_port_is_open_to_the_namespace(storefront: Storefront) -> None:
    for pod in storefront.pods():
        assert storefront.reach("tester", pod["status"]["podIP"], 8080) == "open"
        assert storefront.reach("tester", pod["status"]["podIP"], 8081) == "closed"


def test_pods_reach_each_other_kafka_and_the_search_engine_and_no_database(storefront: Storefront) -> None:
    one, other = storefront.pods()[:2]
    source = one["metadata"]["name"]
    assert storefront.reach(source, other["status"]["podIP"], 8081) == "open"
    assert storefront.reach(source, "events-kafka-bootstrap", 9093) == "open"
    assert storefront.reach(source, "search", 9200) == "open"
    assert storefront.reach(source, "postgres", 5432) == "closed"
    assert storefront.reach(source, "kubernetes.default.svc", 443) == "closed"
