"""What the operator says of a pipeline that does not come up, and what to do about it."""

import json
from typing import Any

import pytest
from clickstream_local.testing.eventually import eventually
from operator_support.cluster.controlplane import ControlPlane
from operator_support.cluster.standins import STRIMZI
from operator_support.cluster.world import PASSWORD, OperatorProcess, World, objects_of, path_of


def test_failed_task_is_not_ready_and_its_trace_has_no_secret(world: World, shop: str) -> None:
    world.create(shop)
    world.wait_ready(shop)
    world.standins.failing["storefront-profiles"] = (
        f"org.apache.kafka.connect.errors.ConnectException: no login with {PASSWORD}\n\tat a.b.C(D.java:1)\n"
        f"Caused by: java.net.ConnectException: jdbc:postgresql://debezium:{PASSWORD}@postgres/shop "
        f"password={PASSWORD}"
    )
    eventually(lambda: world.condition(shop, "ConnectorsReady")["reason"] == "Failed")
    assert "storefront-profiles, task 0 fails since" in world.condition(shop, "ConnectorsReady")["message"]
    # The first status is that of a restart, without a trace.
    eventually(
        lambda: "Caused by: java.net.ConnectException" in world.condition(shop, "ConnectorsReady")["message"]
    )
    assert world.condition(shop, "Ready")["status"] == "False"
    assert world.pipeline(shop)["status"]["phase"] == "Degraded"
    events = eventually(lambda: [e for e in world.events(shop) if e["reason"] == "Failed"])
    assert events[0]["type"] == "Warning"
    assert PASSWORD not in json.dumps([world.pipeline(shop), world.events(shop)])


def test_task_that_refuses_to_go_on_stalls_the_pipeline(world: World, shop: str) -> None:
    world.create(shop)
    world.wait_ready(shop)
    world.standins.status |= {"phase": "stopped", "detail": "position 12 is below the log's start 99"}
    eventually(lambda: world.condition(shop, "Stalled")["status"] == "True")
    assert "position 12 is below the log's start 99" in world.condition(shop, "Stalled")["message"]
    assert world.pipeline(shop)["status"]["phase"] == "Stalled"


def test_pod_that_answers_late_is_not_taken_for_gone(
    world: World, shop: str, operator: OperatorProcess
) -> None:
    world.create(shop)
    world.wait_ready(shop)
    world.wait_for_looks(operator)  # what is told once it is ready
    before = world.pipeline(shop)["status"]["conditions"]
    world.standins.late_s[shop] = 4  # a busy pod; a node that is gone is given up sooner
    world.wait_for_looks(operator)
    assert world.pipeline(shop)["status"]["conditions"] == before


def test_missing_secret_is_named_and_nothing_starts(world: World, shop: str) -> None:
    world.plane.request("DELETE", f"/api/v1/namespaces/{shop}/secrets/postgres-credentials")
    world.create(shop)
    eventually(lambda: world.condition(shop, "SecretsResolved")["reason"] == "Missing")
    assert "postgres-credentials" in world.condition(shop, "SecretsResolved")["message"]
    assert world.plane.get(f"{STRIMZI}/namespaces/{shop}/kafkaconnectors/storefront-profiles") is None


def test_role_that_the_condition_prints_resolves_it(world: World, shop: str) -> None:
    world.plane.kubectl("delete", "rolebinding", "connect-secrets", "-n", shop)
    world.create(shop)
    eventually(lambda: world.condition(shop, "SecretsResolved")["reason"] == "ConnectMayNotRead")
    text = world.condition(shop, "SecretsResolved")["message"].partition("apply:\n")[2]
    world.plane.kubectl("apply", "-f", "-", text=text)
    world.wait_ready(shop)


@pytest.mark.parametrize(
    ("patch", "reason"),
    [
        ({"metadata": {"annotations": {"strimzi.io/use-connector-resources": None}}}, "ConnectNotManaged"),
        ({"status": {"connectorPlugins": [{"class": "a.B", "type": "sink"}]}}, "PluginMissing"),
    ],
    ids=["connect takes no resources", "plugin missing"],
)
def test_connect_that_does_not_fit_is_said(
    patch: dict[str, Any], reason: str, world: World, shop: str
) -> None:
    path = f"{STRIMZI}/namespaces/{shop}/kafkaconnects/events-connect"
    world.plane.merge(f"{path}/status" if "status" in patch else path, patch)
    world.create(shop)
    eventually(lambda: world.condition(shop, "ConnectorsReady")["reason"] == reason)


def test_refused_connector_is_told_in_strimzis_words_without_secrets(world: World, shop: str) -> None:
    words = 'POST /connectors returned 400: FATAL: password authentication failed for user "clickstream"'
    world.standins.refused["storefront-profiles"] = f"{words} ({PASSWORD})"
    try:
        world.create(shop)
        eventually(lambda: world.condition(shop, "ConnectorsReady")["reason"] == "NotReady")
        message = world.condition(shop, "ConnectorsReady")["message"]
        assert words in message
        assert PASSWORD not in message
    finally:
        del world.standins.refused["storefront-profiles"]
    world.wait_ready(shop)


def test_connect_without_a_ready_pod_is_told(world: World, shop: str) -> None:
    world.create(shop)
    world.wait_ready(shop)
    worker = ConnectPod(world.plane, shop)
    worker.say(ready=False)
    eventually(lambda: world.condition(shop, "ConnectorsReady")["reason"] == "ConnectAway")
    assert "events-connect-connect-0" in world.condition(shop, "Ready")["message"]
    worker.say(ready=True)
    world.wait_ready(shop)


def test_status_of_a_form_that_nobody_foresaw_stops_one_pipeline_and_is_told(world: World, shop: str) -> None:
    world.create(shop)
    world.wait_ready(shop)
    world.standins.switch_off("connectors")
    path = f"{STRIMZI}/namespaces/{shop}/kafkaconnectors/storefront-profiles"
    good = world.plane.get(path)["status"]["connectorStatus"]
    world.plane.merge(f"{path}/status", {"status": {"connectorStatus": {**good, "tasks": [7]}}})
    eventually(lambda: world.condition(shop, "Stalled")["reason"] == "InternalError")
    assert "log" in world.condition(shop, "Ready")["message"]
    world.plane.merge(f"{path}/status", {"status": {"connectorStatus": good}})
    world.standins.connectors = True
    world.wait_ready(shop)


class ConnectPod:
    """The one pod of a Connect, as Strimzi labels it."""

    def __init__(self, plane: ControlPlane, namespace: str) -> None:
        self._plane, self._path = plane, f"/api/v1/namespaces/{namespace}/pods"
        labels = {"strimzi.io/cluster": "events-connect", "strimzi.io/kind": "KafkaConnect"}
        meta = {"name": "events-connect-connect-0", "labels": labels}
        spec = {"containers": [{"name": "connect", "image": "registry.test/connect:1"}]}
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
        plane.request("POST", self._path, body)

    def say(self, *, ready: bool) -> None:
        """Write what the kubelet would."""
        conditions = [{"type": "Ready", "status": str(ready)}]
        path = f"{self._path}/events-connect-connect-0/status"
        self._plane.merge(path, {"status": {"conditions": conditions}})


def test_wrong_spec_is_said_in_full_and_mended_by_the_next(world: World, shop: str) -> None:
    world.create(
        shop, processing={"filter": "click.timestamp > 'noon'", "transform": {"set": {"x": "clik.a"}}}
    )
    message = eventually(lambda: world.condition(shop, "Stalled").get("message"))
    assert "spec.processing.filter" in message
    assert "spec.processing.transform.set.x" in message
    assert objects_of(world.plane, shop) == {}
    world.plane.merge(
        path_of(shop), {"spec": {"processing": {"filter": "", "transform": {"set": {"x": None}}}}}
    )
    world.wait_ready(shop)


def test_object_that_the_server_refuses_is_said_in_its_words_and_mended_by_the_next(
    world: World, shop: str
) -> None:
    resources = {"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}}
    world.create(shop, processors={"resources": resources})
    eventually(lambda: world.condition(shop, "Stalled")["reason"] == "ApplyRefused")
    assert "must be less than or equal to memory limit" in world.condition(shop, "Stalled")["message"]
    fitting = {"requests": {"memory": "1Gi"}}
    world.plane.merge(path_of(shop), {"spec": {"processors": {"resources": fitting}}})
    world.wait_ready(shop)


def test_dropped_key_column_stalls_the_pipeline(world: World, shop: str) -> None:
    world.create(shop)
    world.wait_ready(shop)
    world.standins.failing["storefront-profiles"] = (
        "org.apache.kafka.connect.errors.ConnectException: Failed to flush offsets and/or records\n"
        "Caused by: org.apache.kafka.common.InvalidRecordException: [RecordError(batchIndex=0, "
        "message='Compacted topic cannot accept message without key in topic partition user-profiles-1')]"
    )
    eventually(lambda: world.condition(shop, "Stalled")["reason"] == "KeyColumnGone")
    message = world.condition(shop, "Stalled")["message"]
    assert "REPLICA IDENTITY USING INDEX" in message
    assert 'RENAME COLUMN (its new name) TO "user_id"' in message
