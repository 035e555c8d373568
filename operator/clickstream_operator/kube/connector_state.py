"""What Strimzi writes of a KafkaConnector, and what it can be told by an annotation. Pure.

Strimzi looks at a connector when its resource changes, and every two minutes. Right after a (re)start
it writes what Connect says at that moment: tasks that are not there yet, or not assigned. So it is asked to
look again while a connector is not as its spec says.
"""

import re
from typing import Any

# Strimzi acts on it and takes it away: keep it out of what is applied.
STRIMZI_OFFSETS = "strimzi.io/connector-offsets"
# Ours: any change of an annotation makes Strimzi look. The value: when it was asked, how often before
# that, and for which generation: each change of the spec is asked about from the beginning.
LOOK = "clickstream.dev/look"
_LOOK = re.compile(r"([0-9]{1,12})/([0-9]{1,3})/([0-9]{1,12})")
# Pauses between two looks that are asked for; then Strimzi's own timer has come round.
_PAUSES_S = (5, 10, 20, 40, 60)
_ANEW_S = 600  # a connector that was not asked about for so long is asked about from the beginning
_WANTED = {"running": "RUNNING", "paused": "PAUSED", "stopped": "STOPPED"}


def is_in(connector: dict[str, Any], *states: str) -> bool:
    """Tell whether the connector, as its present spec has it, is in one of the states."""
    return is_current(connector) and parts_of(connector)[0][1].get("state") in states


def is_current(connector: dict[str, Any]) -> bool:
    """Tell whether the status is about the present spec."""
    generation = connector["metadata"].get("generation", 0)
    return bool(connector.get("status", {}).get("observedGeneration", 0) >= generation)


def connector_status(connector: dict[str, Any]) -> dict[str, Any]:
    """Return what Connect said of it, as Strimzi passed it on."""
    status: dict[str, Any] = connector.get("status", {}).get("connectorStatus") or {}
    return status


def parts_of(connector: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the connector and its tasks, each with what is said of it."""
    state = connector_status(connector)
    tasks = [(f"task {task.get('id')}", task) for task in state.get("tasks") or ()]
    return [("connector", state.get("connector") or {}), *tasks]


def refusal(connector: dict[str, Any]) -> str:
    """Return why Strimzi could not make the connector so, in its words; empty where it could."""
    if not is_current(connector):
        return ""
    for condition in connector.get("status", {}).get("conditions") or ():
        is_bad = (condition.get("type"), condition.get("status")) in (
            ("NotReady", "True"),
            ("Ready", "False"),
        )
        if is_bad:
            return str(condition.get("message") or condition.get("reason") or "no message")
    return ""


def is_settled(connector: dict[str, Any]) -> bool:
    """Tell whether the connector and its tasks are in the state that its spec asks for."""
    wanted = _WANTED.get(connector["spec"].get("state", "running"), "RUNNING")
    if not is_in(connector, wanted) or refusal(connector):
        return False
    tasks = [said for part, said in parts_of(connector) if part != "connector"]
    return wanted == "STOPPED" or (bool(tasks) and all(said.get("state") == wanted for said in tasks))


def next_look(connector: dict[str, Any], now_s: float) -> tuple[str, float | None]:
    """Return the annotation's value to write now, empty for none, and in how many seconds one may be due."""
    if is_settled(connector):
        return "", None
    meta = connector["metadata"]
    generation = str(meta.get("generation", 0))
    said = _LOOK.fullmatch(str((meta.get("annotations") or {}).get(LOOK, "")))
    # Anybody may have written the annotation: what is none of ours is replaced.
    if not said or said[3] != generation or not 0 <= now_s - int(said[1]) < _ANEW_S:
        return f"{int(now_s)}/0/{generation}", _PAUSES_S[0]
    asked_s, count = int(said[1]), int(said[2])
    if count >= len(_PAUSES_S):
        return "", None
    left_s = asked_s + _PAUSES_S[count] - now_s
    if left_s > 0:
        return "", left_s
    pauses = _PAUSES_S[count + 1 :]
    return f"{int(now_s)}/{count + 1}/{generation}", pauses[0] if pauses else None
