"""What the controller is told: the parts of a pipeline's settings document that concern it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clickstream_operator.assignment.kafka import Secrets, client_config
from clickstream_operator.assignment.planner import Policy
from clickstream_operator.assignment.tasks import stages_in, task_names
from clickstream_operator.spec.fields import duration_ms

# The same for all pipelines, which share their clients.
CLIENT_ID = "clickstream-controller"


class InvalidOptions(Exception):
    """The settings file cannot be used; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class ControllerOptions:
    """The controller's view of one pipeline."""

    id: str
    pipeline: str  # namespace/name
    kafka: dict[str, Any]  # client configuration
    policy: Policy
    failover_after_s: float
    peer_host: str  # holds {ordinal}
    peer_port: int
    peer_port_step: int

    def health_url(self, ordinal: int) -> str:
        """Return where a pod's HTTP port can be asked for a sign of life."""
        host = self.peer_host.replace("{ordinal}", str(ordinal))
        return f"http://{host}:{self.peer_port + ordinal * self.peer_port_step}/healthz"


def options_from(document: dict[str, Any], secrets: Secrets) -> ControllerOptions:
    """Return the options of a settings document. Raises InvalidSettings with the field's path."""
    try:
        processors, peers = document["processors"], document["peers"]
        partitions = document["topics"]["partitions"]
        tasks = task_names(partitions, stages_in(document))
        return ControllerOptions(
            id=document["id"],
            pipeline=f"{document['namespace']}/{document['name']}",
            kafka=client_config(document["kafka"], secrets, CLIENT_ID),
            policy=Policy(tasks, min(processors["replicas"], partitions), processors["standbys"]),
            failover_after_s=duration_ms(processors["failoverAfter"]) / 1_000,
            peer_host=peers["host"],
            peer_port=peers["port"],
            peer_port_step=peers["portStep"],
        )
    except KeyError as error:
        raise InvalidOptions(f"the settings have no field {error.args[0]!r}") from error
    except (AttributeError, TypeError, ValueError) as error:
        raise InvalidOptions(f"the settings cannot be used: {error}") from error
    except OSError as error:
        raise InvalidOptions(f"a secret cannot be read: {error}") from error


def read_options(settings: Path, secrets_dir: Path) -> ControllerOptions:
    """Return the options of a settings file. Raises InvalidSettings."""
    try:
        document = json.loads(settings.read_text())
    except (OSError, ValueError) as error:
        raise InvalidOptions(f"{settings}: {error}") from error
    if not isinstance(document, dict):
        raise InvalidOptions(f"{settings}: not a JSON object")
    return options_from(document, lambda secret, key: (secrets_dir / secret / key).read_text())
