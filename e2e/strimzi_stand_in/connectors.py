"""KafkaConnectors of one KafkaConnect, as Strimzi's cluster operator treats them."""

import datetime
import time
from collections.abc import Sequence
from typing import Any

from strimzi_stand_in.api import Api, Document, annotations_of
from strimzi_stand_in.conditions import not_ready, ready
from strimzi_stand_in.worker import Worker, WorkerRefused

PLURAL = "kafkaconnectors"
STATES = {"running": "RUNNING", "paused": "PAUSED", "stopped": "STOPPED"}
# Strimzi's back-off (KafkaConnectApi.statusWithBackOff), but not as long: this loop serves all.
_PAUSES_S = [0.2 * 2**n for n in range(6)]
_VERBS = {"running": "resume", "paused": "pause", "stopped": "stop"}


def remove_others(worker: Worker, wanted: Sequence[str]) -> None:
    """Delete in Connect what no KafkaConnector asks for: so a KafkaConnector's deletion takes effect."""
    for name in worker.call("GET", "/connectors"):
        if name not in wanted:
            remove(worker, name)


def remove(worker: Worker, name: str) -> None:
    """Delete a connector in Connect, if it is there."""
    try:
        worker.call("DELETE", worker.of(name))
    except WorkerRefused as refused:
        if refused.code != 404:
            raise


def reconcile(api: Api, worker: Worker, connector: Document) -> None:
    """Make one connector so, and say how it is."""
    try:
        status = _reconcile(api, worker, connector)
    except WorkerRefused as refused:
        cause = "ConnectRestException" if refused.code else "ConnectTimeoutException"
        package = "io.strimzi.operator.cluster.operator.assembly"
        status = not_ready(connector, "CompletionException", f"{package}.{cause}: {refused}")
    api.write_status(PLURAL, connector, status)


def _reconcile(api: Api, worker: Worker, connector: Document) -> Document:
    name, spec = connector["metadata"]["name"], connector["spec"]
    _configure(worker, name, spec)
    marks = annotations_of(connector)
    if "strimzi.io/restart" in marks:
        worker.call("POST", worker.of(name, "/restart"))
        api.annotate(PLURAL, connector, restart=None)
    if task := marks.get("strimzi.io/restart-task"):
        worker.call("POST", worker.of(name, f"/tasks/{task}/restart"))
        api.annotate(PLURAL, connector, restart_task=None)
    state = _state(worker, name)
    wanted = spec.get("state", "running")
    if state["connector"]["state"] not in (STATES[wanted], "FAILED", "RESTARTING", "UNASSIGNED"):
        worker.call("PUT", worker.of(name, f"/{_VERBS[wanted]}"))
        state = _state(worker, name)
    if marks.get("strimzi.io/connector-offsets") == "reset" and state["connector"]["state"] == "STOPPED":
        worker.call("DELETE", worker.of(name, "/offsets"))
        api.annotate(PLURAL, connector, connector_offsets=None)
    return _status(worker, connector, state)


def _configure(worker: Worker, name: str, spec: Document) -> None:
    config = {
        key: str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in spec["config"].items()
    }
    wanted = {"name": name, "connector.class": spec["class"], "tasks.max": str(spec["tasksMax"]), **config}
    try:
        present = worker.call("GET", worker.of(name, "/config"))
    except WorkerRefused as refused:
        if refused.code != 404:
            raise
        state = STATES[spec.get("state", "running")]
        body = {"name": name, "config": wanted, "initial_state": state}
        worker.call("POST", "/connectors", body)
        return
    if present != wanted:
        worker.call("PUT", worker.of(name, "/config"), wanted)


def _state(worker: Worker, name: str) -> Any:
    """Return what Connect knows of a connector. Of one that was just made it knows nothing for a moment."""
    for pause_s in _PAUSES_S:
        try:
            return worker.call("GET", worker.of(name, "/status"))
        except WorkerRefused as refused:
            if refused.code not in (404, 500):
                raise
        time.sleep(pause_s)
    return worker.call("GET", worker.of(name, "/status"))


def _status(worker: Worker, connector: Document, state: Any) -> Document:
    """Return the status. What failed is restarted first, and the restart's answer is what is told of it."""
    restart = _over(connector.get("status", {}).get("autoRestart") or {}, state)
    if _failed(state) and _may_restart(connector, restart):
        name = connector["metadata"]["name"]
        path = worker.of(name, "/restart?includeTasks=true&onlyFailed=true")
        state = worker.call("POST", path) or _state(worker, name)
        restart = {
            "count": restart.get("count", 0) + 1,
            "connectorName": name,
            "lastRestartTimestamp": _now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    fields = {"connectorStatus": state, "tasksMax": connector["spec"]["tasksMax"]}
    if restart or "autoRestart" in connector.get("status", {}):
        fields["autoRestart"] = restart or None  # a merge takes away only what it names
    if state["connector"]["state"] == "FAILED":
        message = "The connector has failed, see status for more details."
        return not_ready(connector, "Throwable", message, **fields)
    if failed := _failed(state):
        numbers = ", ".join(failed)
        message = f"The following tasks have failed: {numbers}, see connectorStatus for more details."
        return not_ready(connector, "Throwable", message, **fields)
    return ready(connector, **fields)


def _failed(state: Any) -> list[str]:
    """Return what has failed: the numbers of tasks, or the connector."""
    tasks = [str(task["id"]) for task in state["tasks"] if task["state"] == "FAILED"]
    return tasks or ["connector"] * (state["connector"]["state"] == "FAILED")


def _may_restart(connector: Document, last: Document) -> bool:
    """Tell whether the back-off is over: n + n * n minutes after restart n."""
    if not connector["spec"].get("autoRestart", {}).get("enabled"):
        return False
    return not last or _since(last) >= _back_off(last)


def _over(last: Document, state: Any) -> Document:
    """Forget the restarts of a connector that has run for as long as the next one would have waited."""
    return {} if last and not _failed(state) and _since(last) >= _back_off(last) else last


def _back_off(last: Document) -> datetime.timedelta:
    return datetime.timedelta(minutes=min(last["count"] + last["count"] ** 2, 60))


def _since(last: Document) -> datetime.timedelta:
    return _now() - datetime.datetime.fromisoformat(last["lastRestartTimestamp"])


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
