"""The status that Strimzi gives its objects: one condition of one generation."""

import datetime

from strimzi_stand_in.api import Document


def ready(document: Document, **more: object) -> Document:
    """Return the status of an object that is as its spec says."""
    return _status(document, {"type": "Ready", "status": "True"}, more)


def not_ready(document: Document, reason: str, message: str, **more: object) -> Document:
    """Return the status of an object that is not, with the class of Strimzi's exception as the reason."""
    condition = {"type": "NotReady", "status": "True", "reason": reason, "message": message[:2000]}
    return _status(document, condition, more)


def topic_failed(document: Document, reason: str, message: str, **more: object) -> Document:
    """Return the status of a topic that is not so: the topic operator writes Ready=False, no NotReady."""
    condition = {"type": "Ready", "status": "False", "reason": reason, "message": message[:2000]}
    return _status(document, condition, more)


def _status(document: Document, condition: Document, more: dict[str, object]) -> Document:
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "observedGeneration": document["metadata"]["generation"],
        "conditions": [{**condition, "lastTransitionTime": now}],
        **more,
    }
