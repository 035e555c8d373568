"""KafkaConnectors of one KafkaConnect, as Strimzi's cluster operator treats them."""

import datetime
from collections.abc import Sequence
from typing import Any

from strimzi_stand_in.api import Api, Document, annotations_of
from strimzi_stand_in.conditions import not_ready, ready
from strimzi_stand_in.worker import Worker, WorkerRefused

PLURAL = "kafkaconnectors"
STATES = {"running": "RUNNING", "paused": "PAUSED", "stopped": "STOPPED"}
_VERBS = {"running": "resume", "paused": "pause", "stopped": "stop"}


def remove_others(worker: Worker, wanted: Sequence[str]) -> None:
    """Delete in Connect what no KafkaConnector asks for: so a KafkaConnector's deletion takes effect."""
    for name in worker.call("GET", "/connectors"):
        if name not in wanted:
            worker.call("DELETE", worker.of(name))


def reconcile(api: Api, worker: Worker, connector: Document) -> None:
    """Make one connector so, and say how it is."""
    try:
        status = _reconcile(api, worker, connector)
    except WorkerRefused as refused:
        reason = "ConnectRestException" if refused.code else "ConnectTimeoutException"
        status = not_ready(connector, reason, str(refused))
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
    state = worker.call("GET", worker.of(name, "/status"))
    wanted = spec.get("state", "running")
    if state["connector"]["state"] not in (STATES[wanted], "FAILED", "RESTARTING", "UNASSIGNED"):
        worker.call("PUT", worker.of(name, f"/{_VERBS[wanted]}"))
        state = worker.call("GET", worker.of(name, "/status"))
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
        present = None
    if present != wanted:
        worker.call("PUT", worker.of(name, "/config"), wanted)


def _status(worker: Worker, connector: Document, state: Any) -> Document:
    failed = [task["id"] for task in state["tasks"] if task["state"] == "FAILED"]
    fields: dict[str, object] = {"connectorStatus": state, "tasksMax": connector["spec"]["tasksMax"]}
    restart = connector.get("status", {}).get("autoRestart")
    if failed or state["connector"]["state"] == "FAILED":
        restart = _restart(worker, connector, restart or {})
    if restart:
        fields["autoRestart"] = restart
    if state["connector"]["state"] == "FAILED":
        return not_ready(
            connector, "Throwable", "The connector has failed, see status for more details.", **fields
        )
    if failed:
        names = ", ".join(map(str, failed))
        message = f"The following tasks have failed: {names}, see connectorStatus for more details."
        return not_ready(connector, "Throwable", message, **fields)
    return ready(connector, **fields)


def _restart(worker: Worker, connector: Document, last: Document) -> Document:
    """Restart what failed, at once and then after n + n * n minutes, as Strimzi's back-off has it."""
    if not connector["spec"].get("autoRestart", {}).get("enabled"):
        return last
    now = datetime.datetime.now(datetime.UTC)
    count = last.get("count", 0)
    if stamp := last.get("lastRestartTimestamp"):
        waited = now - datetime.datetime.fromisoformat(stamp)
        if waited < datetime.timedelta(minutes=count + count * count):
            return last
    name = connector["metadata"]["name"]
    worker.call("POST", worker.of(name, "/restart?includeTasks=true&onlyFailed=true"))
    return {
        "count": count + 1,
        "connectorName": name,
        "lastRestartTimestamp": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
