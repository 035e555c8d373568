"""What kopf calls: start, stop, and each event of a ClickPipeline, a ClickReplay or a ClickErasure."""

import logging
from typing import Any

import kopf

from clickstream_operator.kube.kinds import ERASURE, REPLAY
from clickstream_operator.replica.service import Service
from clickstream_operator.settings import Settings
from clickstream_operator.spec.clickpipeline import API_GROUP, API_VERSION, PLURAL


def registry_of(chosen: Settings) -> kopf.OperatorRegistry:
    """Return kopf's registry with the handlers of one replica."""
    registry = kopf.OperatorRegistry()
    running: list[Service] = []  # one, from start to stop

    @kopf.on.startup(registry=registry)  # type: ignore[untyped-decorator]
    async def startup(settings: kopf.OperatorSettings, **_: Any) -> None:
        settings.scanning.disabled = True  # would watch CRDs and namespaces of the whole cluster
        settings.peering.standalone = True  # the Lease decides
        settings.posting.enabled = True
        settings.posting.level = logging.CRITICAL  # log lines are not Events
        settings.watching.server_timeout = 240
        settings.watching.client_timeout = 300
        settings.networking.error_backoffs = (0.2, 0.5, 1, 2, 5)
        running.append(await Service.connect(chosen))
        await running[0].start()

    @kopf.on.cleanup(registry=registry)  # type: ignore[untyped-decorator]
    async def cleanup(**_: Any) -> None:
        for service in running:
            await service.stop()

    @kopf.on.login(registry=registry)  # type: ignore[untyped-decorator]
    async def login(**arguments: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**arguments) or kopf.login_with_kubeconfig(**arguments)

    @kopf.on.event(API_GROUP, API_VERSION, PLURAL, registry=registry)  # type: ignore[untyped-decorator]
    async def changed(event: Any, **_: Any) -> None:
        running[0].pipeline_event(event["type"], event["object"])

    @kopf.on.event(API_GROUP, API_VERSION, REPLAY.plural, registry=registry)  # type: ignore[untyped-decorator]
    async def replay_changed(event: Any, **_: Any) -> None:
        running[0].operation_event(REPLAY, event["type"], event["object"])

    @kopf.on.event(API_GROUP, API_VERSION, ERASURE.plural, registry=registry)  # type: ignore[untyped-decorator]
    async def erasure_changed(event: Any, **_: Any) -> None:
        running[0].operation_event(ERASURE, event["type"], event["object"])

    return registry
