"""Runs the assignment's controller of every pipeline on the leader; those of one Kafka user share clients.

Pods go on without a controller, so a stop or a fail-over moves nothing. A set of clients is made for the
first pipeline of a cluster and credential, and closed with the last; changed credentials are another set.
"""

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clickstream_operator.assignment.clients import Clients, ControllerHandle
from clickstream_operator.assignment.errors import PipelineMismatch
from clickstream_operator.assignment.options import ControllerOptions, InvalidOptions, options_from
from clickstream_operator.assignment.records import ProtocolTooNew
from clickstream_operator.kube.store import Key
from clickstream_operator.manifests.names import seen_from_afar
from clickstream_operator.manifests.settings import settings_document
from clickstream_operator.observed import AssignmentState, Observed
from clickstream_operator.spec.clickpipeline import ClickPipeline

log = logging.getLogger(__name__)

STOP_S = 10


@dataclass
class _Running:
    """One pipeline's controller, and which set of clients it uses."""

    handle: ControllerHandle
    clients: str
    problem: str = ""  # why it came to its end and is not started again


class Controllers:
    """The companion of the reconciler (`reconcile.Companion`). Used from one thread."""

    def __init__(self) -> None:
        self._running: dict[Key, _Running] = {}
        self._sets: dict[str, Clients] = {}  # by what they are configured with

    def seen(self, pipeline: ClickPipeline, observed: Observed) -> AssignmentState:
        """Keep the pipeline's controller running with its present spec; return what it knows."""
        key = Key(pipeline.namespace, pipeline.name)
        try:
            options = _options(pipeline, observed.kafka_secrets)
        except InvalidOptions as invalid:
            return AssignmentState(problem=str(invalid))
        identity = json.dumps(options.kafka, sort_keys=True)
        running = self._running.get(key)
        if running and running.clients != identity:
            self.forget(key)
            running = None
        if running and running.handle.ended.is_set() and not running.problem:
            running = self._ended(key, running)
        if running is None:
            running = self._start(key, options, identity)
        controller = running.handle.controller
        controller.update(options)
        snapshot = controller.snapshot
        return AssignmentState(
            term=snapshot.term,
            replicas=snapshot.replicas,
            undrained=snapshot.undrained,
            held=snapshot.held,
            kafka=snapshot.kafka,
            problem=running.problem,
        )

    def forget(self, key: Key) -> None:
        """Stop a pipeline's controller, without waiting for its end."""
        running = self._running.pop(key, None)
        if running is None:
            return
        running.handle.leave()
        if not any(other.clients == running.clients for other in self._running.values()):
            self._sets.pop(running.clients).close()

    def stop(self) -> None:
        """Stop all controllers and wait for their ends, so that the next leader finds no rival."""
        handles = [running.handle for running in self._running.values()]
        for key in list(self._running):
            self.forget(key)
        deadline_s = time.monotonic() + STOP_S
        for handle in handles:
            handle.ended.wait(max(0.0, deadline_s - time.monotonic()))

    @property
    def sets(self) -> int:
        """Return how many sets of Kafka clients there are."""
        return len(self._sets)

    def _start(self, key: Key, options: ControllerOptions, identity: str) -> _Running:
        clients = self._sets.get(identity)
        if clients is None or not clients.is_alive():
            clients = self._sets[identity] = Clients(options.kafka)
        running = self._running[key] = _Running(clients.start(options), identity)
        return running

    def _ended(self, key: Key, running: _Running) -> _Running | None:
        """Note why a controller has ended; return None where another try may do better."""
        error = running.handle.error
        if isinstance(error, (PipelineMismatch, ProtocolTooNew)):
            log.error("%s: %s", key, error)
            running.problem = str(error)
            return running
        log.warning("%s: %s; its controller is started again", key, error or "its Kafka clients ended")
        self._running.pop(key)
        return None


def _options(pipeline: ClickPipeline, secrets: Mapping[tuple[str, str], str]) -> ControllerOptions:
    def secret(name: str, key: str) -> str:
        if (name, key) not in secrets:
            raise OSError(f"Secret {name} has no key {key}")
        return secrets[name, key]

    document: dict[str, Any] = settings_document(pipeline)
    if (user := pipeline.spec.kafka.authentication) and user.controller_user:
        document["kafka"]["authentication"]["user"] = user.controller_user
    servers = document["kafka"]["bootstrapServers"]
    document["kafka"]["bootstrapServers"] = seen_from_afar(servers, pipeline.namespace)
    return options_from(document, secret)
