"""NetworkPolicies: the pods are reached where they serve, and nowhere else."""

from clickstream_e2e.platform import NAMESPACE
from clickstream_e2e.storefront import Storefront

_TRY = (
    "import socket, sys\n"
    "try:\n"
    "    socket.create_connection((sys.argv[1], int(sys.argv[2])), 3).close()\n"
    "    print('open')\n"
    "except OSError:\n"
    "    print('closed')\n"
)


def _reach(storefront: Storefront, source: str, host: str, port: int) -> str:
    command = ["python", "-c", _TRY, host, str(port)]
    return storefront.kube("exec", source, "--namespace", NAMESPACE, "--", *command).strip()


def test_only_the_query_port_is_open_to_the_namespace(storefront: Storefront) -> None:
    for pod in storefront.pods():
        assert _reach(storefront, "tester", pod["status"]["podIP"], 8080) == "open"
        assert _reach(storefront, "tester", pod["status"]["podIP"], 8081) == "closed"


def test_pods_reach_each_other_kafka_and_the_search_engine_and_no_database(storefront: Storefront) -> None:
    one, other = storefront.pods()[:2]
    source = one["metadata"]["name"]
    assert _reach(storefront, source, other["status"]["podIP"], 8081) == "open"
    assert _reach(storefront, source, "events-kafka-bootstrap", 9093) == "open"
    assert _reach(storefront, source, "search", 9200) == "open"
    assert _reach(storefront, source, "postgres", 5432) == "closed"
    assert _reach(storefront, source, "kubernetes.default.svc", 443) == "closed"
