"""What a KafkaConnector says of itself, and what it can be told by an annotation. Pure."""

from typing import Any

# Strimzi acts on it and takes it away: keep it out of what is applied.
STRIMZI_OFFSETS = "strimzi.io/connector-offsets"


def is_in(connector: dict[str, Any], *states: str) -> bool:
    """Tell whether the connector, as its present spec has it, is in one of the states."""
    status = connector.get("status", {})
    if status.get("observedGeneration", 0) < connector["metadata"].get("generation", 0):
        return False
    return status.get("connectorStatus", {}).get("connector", {}).get("state") in states
