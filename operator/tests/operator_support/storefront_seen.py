"""What the operator sees of the storefront pipeline: all is well, but for what a test changes.

CASES has what can be wrong: changes, the condition that says so, its reason and a part of its text.
"""

from typing import Any

from clickstream_operator.kube.applier import with_times
from clickstream_operator.lifecycle.connector_failures import failures, remembered
from clickstream_operator.lifecycle.decided import Decided
from clickstream_operator.manifests.names import topic_object
from clickstream_operator.manifests.topics import topic_specs
from clickstream_operator.observed import Observed, PodState, SecretState, TaskState
from clickstream_operator.spec.clickpipeline import parse
from clickstream_operator.status.pipeline_status import accepted_status

from operator_support.documents import reference

PIPELINE = parse(reference())
DOCUMENT: dict[str, Any] = {"metadata": {"generation": 3, "name": "storefront", "namespace": "shop"}}
READY = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}, "metadata": {}}


def connector(*states: str, trace: str = "") -> dict[str, Any]:
    tasks = [{"id": i, "state": state, "trace": trace} for i, state in enumerate(states)]
    return {
        "metadata": {},
        "spec": {"state": "running"},
        "status": {"connectorStatus": {"connector": {"state": "RUNNING"}, "tasks": tasks}},
    }


def pods(phase: str = "running", index: bool = True, partitions: int = 12) -> dict[int, PodState]:
    tasks = {
        f"clicks-{p}": TaskState(0, "owner", phase, lag_ms=5, detail="disk on fire")
        for p in range(partitions)
    }
    return {0: PodState(0, index, "no route to search", tasks)}


def standing(standing_ms: int) -> dict[int, PodState]:
    """One task's clicks have waited for so long."""
    found = pods()
    detail = f"no commit for {standing_ms // 1_000} s: Broker: Topic authorization failed"
    found[0].tasks["clicks-3"] = TaskState(0, "owner", "running", 31_000, detail, standing_ms)  # type: ignore[index]
    return found


def observed(**changes: Any) -> Observed:
    children: dict[tuple[str, str], Any] = {
        ("KafkaTopic", topic_object(t.name)): READY for t in topic_specs(PIPELINE)
    }
    children |= {
        ("KafkaConnector", "storefront-profiles"): connector("RUNNING"),
        ("KafkaConnector", "storefront-search"): connector("RUNNING", "RUNNING"),
        ("StatefulSet", "storefront-processor"): {
            "metadata": {"generation": 1},
            "spec": {"replicas": 3},
            "status": {"observedGeneration": 1, "replicas": 3, "readyReplicas": 3, "updatedReplicas": 3},
        },
    }
    parts: dict[str, Any] = {
        "children": children | changes.pop("children", {}),
        "connect": {"metadata": {"annotations": {"strimzi.io/use-connector-resources": "true"}}},
        "strimzi_version": "v1",
        "secrets": {"postgres-credentials": SecretState(frozenset({"username", "password"}), "x")},
        "pods": pods(),
    }
    return Observed(**(parts | changes))


REFUSED: dict[str, Any] = {
    "metadata": {"generation": 1},
    "spec": {"state": "running"},
    "status": {
        "observedGeneration": 1,
        "conditions": [
            {
                "type": "NotReady",
                "status": "True",
                "reason": "CompletionException",
                "message": "POST /connectors returned 400:\n  FATAL: password authentication failed for user "
                '"clickstream"',
            }
        ],
    },
}


def pod(name: str, *, ready: bool) -> dict[str, Any]:
    """Return a pod of a Connect."""
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {"metadata": {"name": name, "namespace": "shop"}, "status": {"conditions": conditions}}


CASES: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "a Secret is missing": ({"secrets": {}}, "SecretsResolved", "Missing", "postgres-credentials"),
    "a key is missing": (
        {"secrets": {"postgres-credentials": SecretState(frozenset({"username"}), "x")}},
        "SecretsResolved",
        "Missing",
        "postgres-credentials key password",
    ),
    "Connect may not read": (
        {"denied": ("postgres-credentials",)},
        "SecretsResolved",
        "ConnectMayNotRead",
        "kind: RoleBinding",
    ),
    "Strimzi is not there": ({"strimzi_version": None}, "ConnectorsReady", "StrimziMissing", "strimzi.io"),
    "Connect is not there": ({"connect": None}, "ConnectorsReady", "ConnectMissing", "events-connect"),
    "one task of two failed": (
        {"children": {("KafkaConnector", "storefront-search"): connector("RUNNING", "FAILED", trace="boom")}},
        "ConnectorsReady",
        "Failed",
        "task 1 fails since 1970-01-01T00:00:00Z: boom",
    ),
    "a connector is refused": (
        {"children": {("KafkaConnector", "storefront-profiles"): REFUSED}},
        "ConnectorsReady",
        "NotReady",
        "storefront-profiles is refused. Strimzi says: POST /connectors returned 400: FATAL: password "
        'authentication failed for user "clickstream"',
    ),
    "Connect's pods are away": (
        {"connect_pods": [pod("events-connect-connect-0", ready=False)]},
        "ConnectorsReady",
        "ConnectAway",
        "No pod of KafkaConnect events-connect is ready: events-connect-connect-0",
    ),
    "a connector without tasks": (
        {"children": {("KafkaConnector", "storefront-search"): connector()}},
        "ConnectorsReady",
        "Starting",
        "its tasks",
    ),
    "the snapshot runs": ({"pods": pods("waiting")}, "ProfilesLoaded", "Snapshot", "12 tasks hold"),
    "a task runs and commits nothing": (
        {"pods": standing(31_000)},
        "StateRestored",
        "NoCommits",
        "1 of 12 tasks; clicks-3 on pod 0: Broker: Topic authorization failed",
    ),
    "tasks restore": ({"pods": pods("restoring")}, "StateRestored", "Restoring", "12 of 12"),
    "a task without owner": ({"pods": pods(partitions=11)}, "StateRestored", "Unowned", "1 of 12"),
    "a task stopped": ({"pods": pods("stopped")}, "StateRestored", "TaskStopped", "disk on fire"),
    "no index template": ({"pods": pods(index=False)}, "IndexReady", "NoTemplate", "no route to search"),
    "no pod answers": ({"pods": {}}, "IndexReady", "NoPodAnswers", "once a processor pod answers"),
}


def accepted(seen: Observed, document: dict[str, Any] = DOCUMENT) -> dict[str, Any]:
    failing = failures(remembered(document.get("status") or {}), seen.connectors(), seen.now_s, str)
    return accepted_status(PIPELINE, seen, Decided(failures=failing), document)


def status_of(seen: Observed, document: dict[str, Any] = DOCUMENT) -> dict[str, Any]:
    return with_times(accepted(seen, document), document, "2026-01-01T00:00:00Z")


def condition(status: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(c for c in status["conditions"] if c["type"] == kind)
