"""Stands in for what no test cluster runs: Strimzi's operators, the StatefulSet controller, the pods.

It only writes statuses, as those would, and takes away the annotations and finalizers they would.
Tests switch single parts off to see what the operator says of it. Of connectors it behaves as Strimzi 1.2:
it looks when the resource changes, and by a timer; what it writes first is how things were at that moment;
a task that failed is restarted before its state is written.
"""

import json
import threading
import time
from http.server import ThreadingHTTPServer
from typing import Any, ClassVar

from operator_support.cluster.answers import JsonHandler
from operator_support.cluster.controlplane import ControlPlane, Refused

STRIMZI = "/apis/kafka.strimzi.io/v1"
PLUGINS = (
    "io.debezium.connector.postgresql.PostgresConnector",
    "dev.clickstream.connect.SearchSinkConnector",
)
_MERGE = "application/merge-patch+json"
TIMER_S = 120.0  # Strimzi's STRIMZI_FULL_RECONCILIATION_INTERVAL_MS


class Server(ThreadingHTTPServer):
    """Takes as many askers at once as an operator sends; says nothing of those killed before their answer."""

    request_queue_size = 256  # with 5, the default, the kernel drops connections until the asker gives up

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


class StandIns:
    """Polls the cluster in a thread of its own."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane
        self.topics = self.connectors = self.pods = True
        self.failing: dict[str, str] = {}  # connector name -> trace
        self.refused: dict[str, str] = {}  # connector name -> what Connect answers to its configuration
        self._looks: dict[str, tuple[Any, int, float]] = {}  # uid -> what was looked at, how often, when
        self.reset: list[str] = []  # connectors whose offsets were reset
        # (namespace, name) -> each spec that a connector was seen with, in their order
        self.seen: dict[tuple[str, str], list[dict[str, Any]]] = {}
        # (namespace, name, replay or erasure) -> its pod's answer, or what makes it
        self.operations: dict[tuple[str, str, str], Any] = {}
        self.lag_ms = 12  # of every task
        self.without_pods: set[tuple[str, str]] = set()  # (namespace, name) of what gets no pod that is ready
        self.late_s: dict[str, float] = {}  # namespace -> after how long its pods answer
        self.status = {"index_ready": True, "phase": "running", "detail": ""}
        self._stop = threading.Event()
        self._turn = threading.Lock()  # held for a round
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._server = Server(("127.0.0.1", 0), self._handler())
        self.pod_url = f"http://127.0.0.1:{self._server.server_port}/{{namespace}}/{{name}}/{{ordinal}}"

    def start(self) -> None:
        """Begin."""
        self._thread.start()
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join()
        self._server.shutdown()
        self._server.server_close()

    def switch_off(self, *parts: str) -> None:
        """Let these parts say nothing more; a round that still asks them is over then."""
        with self._turn:
            for part in parts:
                setattr(self, part, False)

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            try:
                with self._turn:
                    self._round()
            except (Refused, OSError):
                continue  # somebody else changed or deleted it: the next round sees

    def _round(self) -> None:
        if self.topics:
            for topic in self.plane.items(f"{STRIMZI}/kafkatopics"):
                self.make_ready(topic)
        if self.connectors:
            for connector in self.plane.items(f"{STRIMZI}/kafkaconnectors"):
                self._connector(connector)
        if self.pods:
            for kind in ("deployments", "statefulsets"):
                self._pods(kind)

    def _pods(self, kind: str) -> None:
        for pods in self.plane.items(f"/apis/apps/v1/{kind}"):
            meta = pods["metadata"]
            here = (meta["namespace"], meta["name"]) not in self.without_pods
            counts = dict.fromkeys(("replicas", "updatedReplicas"), pods["spec"]["replicas"])
            counts["readyReplicas"] = pods["spec"]["replicas"] if here else 0
            status = {"observedGeneration": meta["generation"], **counts}
            self._write(pods, f"/apis/apps/v1/namespaces/{{}}/{kind}/{{}}", status)

    def make_ready(self, topic: dict[str, Any]) -> None:
        """Say of one topic what Strimzi says once it is there."""
        self._write(topic, f"{STRIMZI}/namespaces/{{}}/kafkatopics/{{}}", _ready(topic))

    def _connector(self, connector: dict[str, Any]) -> None:
        meta, path = connector["metadata"], f"{STRIMZI}/namespaces/{{}}/kafkaconnectors/{{}}"
        if "strimzi.io/connector-offsets" in meta.get("annotations", {}):
            self.reset.append(meta["name"])
            patch = {"metadata": {"annotations": {"strimzi.io/connector-offsets": None}}}
            self.plane.merge(path.format(meta["namespace"], meta["name"]), patch)
        if looks := self._looks_at(connector):
            self.seen.setdefault((meta["namespace"], meta["name"]), []).append(connector["spec"])
            self._write(connector, path, self._connector_status(connector, looks))

    def _looks_at(self, connector: dict[str, Any]) -> int:
        """Return how often this connector was looked at as it is now; 0: it is not the time for a look."""
        meta, now_s = connector["metadata"], time.monotonic()
        trouble = self.failing.get(meta["name"]), self.refused.get(meta["name"])
        spec, marks = (meta["generation"], *trouble), meta.get("annotations", {})
        seen, looks, at_s = self._looks.get(meta["uid"], (None, 0, 0.0))
        if seen == (spec, marks) and now_s - at_s < TIMER_S:
            return 0
        looks = looks + 1 if seen and seen[0] == spec else 1
        self._looks[meta["uid"]] = (spec, marks), looks, now_s
        return looks

    def _connector_status(self, connector: dict[str, Any], looks: int) -> dict[str, Any]:
        name = connector["metadata"]["name"]
        if words := self.refused.get(name):
            return _not_ready(connector, "CompletionException", words)
        state = {"running": "RUNNING", "stopped": "STOPPED", "paused": "PAUSED"}[connector["spec"]["state"]]
        if trace := self.failing.get(name):
            failed = {"id": 0, "state": "FAILED", "trace": trace}
            status = _connect_says(state, [{"id": 0, "state": "RESTARTING"} if looks == 1 else failed])
            status["autoRestart"] = {
                "count": 1,
                "connectorName": name,
                "lastRestartTimestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            }
            if looks == 1:
                return _ready(connector) | status
            return _not_ready(connector, "Throwable", "The following tasks have failed: 0") | status
        if looks == 1:
            return _ready(connector) | _connect_says("RUNNING", [])
        return _ready(connector) | _connect_says(
            state, [{"id": 0, "state": state}] if state != "STOPPED" else []
        )

    def _write(self, document: dict[str, Any], path: str, status: dict[str, Any]) -> None:
        meta = document["metadata"]
        old = document.get("status", {})
        if meta.get("deletionTimestamp") or all(old.get(name) == value for name, value in status.items()):
            return
        target = f"{path.format(meta['namespace'], meta['name'])}/status"
        self.plane.request("PATCH", target, {"status": status}, _MERGE)

    def _handler(self) -> type[JsonHandler]:
        standins = self

        class Handler(JsonHandler):
            keys: ClassVar[set[str]] = set()

            def do_GET(self) -> None:  # noqa: N802 (named by http.server)
                _, namespace, name, ordinal, _ = self.path.split("/")
                time.sleep(standins.late_s.get(namespace, 0))
                if ordinal in ("replay", "erasure"):
                    report = standins.operations.get((namespace, name, ordinal))
                    report = report() if callable(report) else report
                    self.answer(200 if report is not None else 404, json.dumps(report).encode())
                    return
                pipeline = standins.plane.get(
                    f"/apis/clickstream.dev/v1alpha1/namespaces/{namespace}/clickpipelines/{name}"
                )
                body = json.dumps(standins.answer(pipeline, int(ordinal))).encode()
                self.answer(200, body)

        return Handler

    def answer(self, pipeline: dict[str, Any], ordinal: int) -> dict[str, Any]:
        """Return a pod's /status: it owns every task of its share, and stands by for the pods before it."""
        spec = pipeline["spec"]
        partitions, pods = spec["topics"]["partitions"], spec["processors"]["replicas"]
        behind = {p: (ordinal - p) % pods for p in range(partitions)}
        standbys = min(spec["processors"]["standbys"], pods - 1)
        task = {
            "phase": self.status["phase"],
            "lag_ms": self.lag_ms,
            "detail": self.status["detail"],
        }
        search = {"index_ready": self.status["index_ready"], "detail": self.status["detail"]}
        tasks = {
            f"clicks-{p}": {**task, "role": "standby" if far else "owner"}
            for p, far in behind.items()
            if far <= standbys
        }
        return {"tasks": tasks, "search": search}


def _connect_says(state: str, tasks: list[dict[str, Any]]) -> dict[str, Any]:
    # A merge keeps what it does not name: a restart that is over is taken away.
    return {"connectorStatus": {"connector": {"state": state}, "tasks": tasks}, "autoRestart": None}


def _not_ready(document: dict[str, Any], reason: str, message: str) -> dict[str, Any]:
    """Return what Strimzi writes of a connector that is not so; it never writes Ready=False there."""
    condition = {"type": "NotReady", "status": "True", "reason": reason, "message": message}
    return {**_ready(document), "conditions": [condition | {"lastTransitionTime": "2026-01-01T00:00:00Z"}]}


def _ready(document: dict[str, Any]) -> dict[str, Any]:
    stamp = "2026-01-01T00:00:00Z"
    return {
        "observedGeneration": document["metadata"]["generation"],
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": stamp}],
    }
