"""The collector of a pipeline takes clicks over HTTP, and the pipeline counts what it answered."""

from collections.abc import Iterator
from typing import Any

import pytest
from clickstream_e2e.kube import Document, condition, eventually
from clickstream_e2e.platform import NAMESPACE
from clickstream_e2e.storefront import NAME, Storefront

COLLECTOR = f"{NAME}-collector"
URL = f"http://{COLLECTOR}.{NAMESPACE}.svc"
KEY = "wk-of-the-suite"
PODS = f"clickstream.dev/pipeline={NAME},app.kubernetes.io/name=clickstream-collector"
KINDS = ("deployment", "service", "serviceaccount", "poddisruptionbudget", "networkpolicy")
USER = "user-0150"
SPEC: dict[str, Any] = {
    "keysSecret": "collector-keys",
    "replicas": 2,
    "resources": {"requests": {"cpu": "50m", "memory": "96Mi"}, "limits": {"memory": "256Mi"}},
}


@pytest.fixture(scope="module")
def collected(storefront: Storefront) -> Iterator[Storefront]:
    """Give the pipeline a collector, and take it away afterwards."""
    keys = {"metadata": {"name": "collector-keys"}, "stringData": {"keys": f"{KEY} rate=1000\n"}}
    storefront.kube.apply([{"apiVersion": "v1", "kind": "Secret", **keys}], NAMESPACE)
    storefront.patch({"collector": SPEC})
    storefront.until("CollectorReady", "True")
    storefront.until("Ready", "True")
    yield storefront
    storefront.patch({"collector": None})
    for kind in KINDS:
        eventually(
            f"the {kind} is gone",
            lambda kind=kind: storefront.kube.is_gone(kind, COLLECTOR, NAMESPACE),  # type: ignore[misc]
        )
    storefront.until("Ready", "True")


def pods(storefront: Storefront) -> list[Document]:
    """Return the collector's pods."""
    return storefront.kube.items("pods", NAMESPACE, PODS)


def asked(storefront: Storefront, path: str) -> Document:
    """Return the answer to one request through the Service."""
    answer: Document = storefront.tester("get", f"{URL}{path}")["answers"][0]
    return answer


def test_what_was_answered_is_counted_while_all_pods_are_replaced(collected: Storefront) -> None:
    before = {pod["metadata"]["uid"] for pod in pods(collected)}
    found = collected.search(f"user_id:{USER}")
    with collected.collecting(URL, KEY, USER) as account:
        collected.patch({"collector": {"maxBodyBytes": 100_000}})

        def are_new() -> bool:
            now = pods(collected)
            ready = all(condition(pod, "Ready")["status"] == "True" for pod in now)
            return len(now) == 2 and ready and not before & {pod["metadata"]["uid"] for pod in now}

        eventually("both pods are new ones", are_new)
        collected.until("CollectorReady", "True")
    assert account["answered"] > 20
    # A try that failed may have reached Kafka all the same; this pipeline has no dedup.
    tries = account["answered"] + sum(account["failed"].values())
    eventually(
        "the clicks are in the index",
        lambda: collected.search(f"user_id:{USER}") >= found + account["answered"],
    )
    assert collected.search(f"user_id:{USER}") <= found + tries, account
    collected.check()


def test_it_serves_the_tag_and_asks_for_a_key(collected: Storefront) -> None:
    tag = asked(collected, "/tag.js")
    assert (tag["status"], tag["headers"]["Content-Type"]) == (200, "text/javascript; charset=utf-8")
    pixel = "/v1/pixel.gif?user_id=user-0151&page_url=https%3A%2F%2Fshop.example.com%2F&action=view"
    assert asked(collected, pixel)["status"] == 401
    assert asked(collected, f"{pixel}&key=wrong")["status"] == 401
    assert asked(collected, f"{pixel}&key={KEY}")["status"] == 200
    eventually("the pixel's click is in the index", lambda: collected.search("user_id:user-0151") > 0)


def test_it_is_reached_where_it_serves_and_reaches_nothing_but_kafka(collected: Storefront) -> None:
    pod = pods(collected)[0]
    name, address = pod["metadata"]["name"], pod["status"]["podIP"]
    assert collected.reach("tester", address, 8080) == "open"
    assert collected.reach("tester", address, 8081) == "closed"
    assert collected.reach(name, "events-kafka-bootstrap", 9093) == "open"
    assert collected.reach(name, "search", 9200) == "closed"
    assert collected.reach(name, "kubernetes.default.svc", 443) == "closed"
    assert pod["spec"]["automountServiceAccountToken"] is False


def test_no_key_is_told_by_pods_or_status(collected: Storefront) -> None:
    kube = collected.kube
    said = [kube("logs", "--namespace", NAMESPACE, "--selector", PODS, "--tail=-1"), str(collected.now())]
    said.append(kube("get", "events", "--namespace", NAMESPACE, "--output=json"))
    assert KEY not in "".join(said)
