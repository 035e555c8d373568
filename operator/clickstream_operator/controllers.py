"""Runs the assignment's controller of every pipeline on the leader, each in a thread of its own.

A controller needs its Kafka user's Secret as files: they lie in a folder only this process may
read, and go with it. Pods go on without a controller, so a stop or a fail-over moves nothing.
"""

import hashlib
import logging
import shutil
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from clickstream_operator.assignment.controller import Controller, PipelineMismatch
from clickstream_operator.assignment.log import Superseded
from clickstream_operator.assignment.options import ControllerOptions, InvalidSettings, options_from
from clickstream_operator.assignment.records import ProtocolTooNew
from clickstream_operator.manifests.settings import settings_document
from clickstream_operator.observed import AssignmentState, Observed
from clickstream_operator.spec import ClickPipeline
from clickstream_operator.store import Key

log = logging.getLogger(__name__)

STOP_S = 10


@dataclass
class _Running:
    """One pipeline's controller: its thread, and what it ended with."""

    controller: Controller
    thread: threading.Thread
    stop: threading.Event
    credentials: str  # digest: another one needs new clients
    problem: str = ""


def seen_from_afar(bootstrap: str, namespace: str) -> str:
    """Return the servers as another namespace must name them.

    A Service's bare name means the pipeline's own namespace, where the pods are; the operator is elsewhere.
    """
    servers = [server.rpartition(":") for server in bootstrap.split(",")]
    return ",".join(
        f"{host}.{namespace}.svc:{port}" if _is_bare(host) else f"{host}:{port}" for host, _, port in servers
    )


def _is_bare(host: str) -> bool:
    return host != "localhost" and not any(mark in host for mark in ".:[")


class Controllers:
    """The companion of the reconciler (`reconcile.Companion`)."""

    def __init__(self) -> None:
        self._running: dict[Key, _Running] = {}
        self._folder = Path(tempfile.mkdtemp(prefix="clickstream-"))  # mode 0700

    def seen(self, pipeline: ClickPipeline, observed: Observed) -> AssignmentState:
        """Keep the pipeline's controller running with its present spec; return what it knows."""
        key = Key(pipeline.namespace, pipeline.name)
        try:
            options, credentials = self._options(key, pipeline, observed)
        except InvalidSettings as invalid:
            return AssignmentState(problem=str(invalid))
        running = self._running.get(key)
        if running and running.credentials != credentials:
            self.forget(key)
            running = None
        if running is None or (not running.thread.is_alive() and not running.problem):
            running = self._start(key, options, credentials)
        running.controller.update(options)
        snapshot = running.controller.snapshot
        return AssignmentState(
            term=snapshot.term,
            undrained=snapshot.undrained,
            held=snapshot.held,
            kafka=snapshot.kafka,
            problem=running.problem,
        )

    def forget(self, key: Key) -> None:
        """Stop a pipeline's controller, without waiting for its end."""
        if running := self._running.pop(key, None):
            running.stop.set()
        shutil.rmtree(self._folder / key.namespace / key.name, ignore_errors=True)

    def stop(self) -> None:
        """Stop all controllers and wait for their ends, so that the next leader finds no rival."""
        running = list(self._running.values())
        for key in list(self._running):
            self.forget(key)
        for one in running:
            one.thread.join(STOP_S)

    def _options(
        self, key: Key, pipeline: ClickPipeline, observed: Observed
    ) -> tuple[ControllerOptions, str]:
        folder = self._folder / key.namespace / key.name
        digest = hashlib.sha256()
        for (secret, name), value in sorted(observed.kafka_secrets.items()):
            digest.update(f"{secret}/{name}={value}\n".encode())
            path = folder / secret / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists() or path.read_text() != value:
                path.write_text(value)
        document = settings_document(pipeline)
        kafka = document["kafka"]
        document["kafka"] = kafka | {
            "bootstrapServers": seen_from_afar(kafka["bootstrapServers"], key.namespace)
        }
        return options_from(document, folder), digest.hexdigest()

    def _start(self, key: Key, options: ControllerOptions, credentials: str) -> _Running:
        controller, stop = Controller(options), threading.Event()
        running = _Running(controller, threading.Thread(), stop, credentials)

        def work() -> None:
            try:
                controller.run(stop)
            except Superseded as error:
                log.warning("%s: %s; it is started anew at the next look", key, error)
            except (PipelineMismatch, ProtocolTooNew) as error:
                log.error("%s: %s", key, error)
                running.problem = str(error)

        running.thread = threading.Thread(target=work, name=f"controller {key}", daemon=True)
        running.thread.start()
        self._running[key] = running
        return running
