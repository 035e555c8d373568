"""Pipelines that an installation brings along: a JSON file of name and spec, written by the leader.

Helm cannot make them: it looks up every kind before it makes anything, and a first installation brings
the definition along. A pipeline is written when it is new, or when its text here has changed since it was
last written: what people change in between, such as the number of pods, stays. None is ever deleted.
"""

import asyncio
import hashlib
import json
import logging
from pathlib import Path
from typing import Any

from clickstream_operator.kube.api import Api, ApiFailure
from clickstream_operator.kube.kinds import PIPELINE
from clickstream_operator.metrics import WRITES
from clickstream_operator.spec.clickpipeline import API_GROUP

log = logging.getLogger(__name__)

GIVEN_HASH = f"{API_GROUP}/given-hash"
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0


async def write_given(api: Api, file: str, namespace: str) -> None:
    """Write what is new or changed, until all of it is written. `file` empty: nothing is given."""
    missing: dict[str, Any] = json.loads(Path(file).read_text()) if file else {}
    pause_s = FIRST_PAUSE_S
    while missing:
        for name, spec in list(missing.items()):
            try:
                await _write(api, namespace, name, spec)
                del missing[name]
            except ApiFailure as failure:
                log.error("%s/%s of the installation is not made: %s", namespace, name, failure)
        if missing:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


async def _write(api: Api, namespace: str, name: str, spec: dict[str, Any]) -> None:
    digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:16]
    there = await api.get(PIPELINE.path(namespace, name))
    if there and there["metadata"].get("annotations", {}).get(GIVEN_HASH) == digest:
        return
    meta = {"namespace": namespace, "name": name, "annotations": {GIVEN_HASH: digest}}
    WRITES.labels(PIPELINE.kind, "apply").inc()
    await api.apply(
        PIPELINE,
        {"apiVersion": PIPELINE.api_version, "kind": PIPELINE.kind, "metadata": meta, "spec": spec},
    )
    log.info("%s/%s of the installation is written", namespace, name)
