"""The stand-in's loop: every second each object is looked at, whatever happened before."""

import logging
import time
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaException

from strimzi_stand_in import connectors, connects, topics, users
from strimzi_stand_in.api import Api, Document, Refused

PERIOD_S = 1.0
log = logging.getLogger("strimzi_stand_in")


def main() -> None:
    """Run until the pod ends."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    api = Api()
    while True:
        _round(api)
        time.sleep(PERIOD_S)


def _round(api: Api) -> None:
    for topic in _guarded(api.items, topics.PLURAL) or ():
        _guarded(topics.reconcile, api, topic)
    for user in _guarded(api.items, users.PLURAL) or ():
        _guarded(users.reconcile, api, user)
    found: list[Document] = _guarded(api.items, connectors.PLURAL) or []
    for connect in _guarded(api.items, connects.PLURAL) or ():
        _guarded(connects.reconcile, api, connect, found)


def _guarded(step: Callable[..., Any], *arguments: Any) -> Any:
    """Return what the step returns; what fails is said, and tried again in the next round."""
    try:
        return step(*arguments)
    except (Refused, KafkaException, OSError) as failure:
        log.warning("%s: %s", step.__module__, failure)
        return None


if __name__ == "__main__":
    main()
