"""The stand-in's loop: each object is looked at when it changes, and by a timer, as Strimzi does."""

import logging
import os
import time
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaException

from strimzi_stand_in import connectors, connects, pods, topics, users
from strimzi_stand_in.api import Api, Document, Refused
from strimzi_stand_in.events import Events

PERIOD_S = 1.0  # between two looks for what has changed: Strimzi hears of it by watches
# Strimzi's name for it, and its default.
TIMER_S = int(os.environ.get("STRIMZI_FULL_RECONCILIATION_INTERVAL_MS") or 120_000) / 1_000
log = logging.getLogger("strimzi_stand_in")


def main() -> None:
    """Run until the pod ends."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    api, events = Api(), Events(TIMER_S)
    while True:
        _round(api, events)
        time.sleep(PERIOD_S)


def _round(api: Api, events: Events) -> None:
    for plural, reconcile in ((topics.PLURAL, topics.reconcile), (users.PLURAL, users.reconcile)):
        for document in _guarded(api.items, plural) or ():
            if events.is_due(plural, document, time.monotonic()) and not _done(reconcile, api, document):
                events.again(plural, document)
    found: list[Document] = _guarded(api.items, connectors.PLURAL) or []
    for connect in _guarded(api.items, connects.PLURAL) or ():
        _guarded(pods.reconcile, api, connect)
        own = [connector for connector in found if connects.is_of(connector, connect)]
        if events.is_due(connects.PLURAL, connect, time.monotonic()):
            if not _done(connects.reconcile, api, connect, own):
                events.again(connects.PLURAL, connect)
            continue
        for name in events.lost(connects.PLURAL, connect, own):
            _guarded(connects.remove, connect, name)
        for connector in own:
            if events.is_due(connectors.PLURAL, connector, time.monotonic()):
                _guarded(connects.reconcile_one, api, connect, connector)


def _done(step: Callable[..., Any], *arguments: Any) -> bool:
    return _guarded(lambda: (step(*arguments), True)) is not None


def _guarded(step: Callable[..., Any], *arguments: Any) -> Any:
    """Return what the step returns; what fails is said, and tried again in the next round."""
    try:
        return step(*arguments)
    except (Refused, KafkaException, OSError) as failure:
        log.warning("%s: %s", getattr(step, "__module__", "step"), failure)
        return None


if __name__ == "__main__":
    main()
