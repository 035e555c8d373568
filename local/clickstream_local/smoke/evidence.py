"""Reads what the pipeline made: output topics as committed, and every document of the index."""

import json
from collections.abc import Iterator
from typing import Any

from clickstream_operator.manifests.sinks import search_of
from clickstream_operator.spec.clickpipeline import ClickPipeline
from confluent_kafka import Message

from clickstream_local.errors import CannotStart
from clickstream_local.parts.search import SearchEngine, call
from clickstream_local.pipeline.reading import read_all
from clickstream_local.smoke.checks import Evidence
from clickstream_local.smoke.model import Click

PAGE = 10_000  # the engines' bound on one page


def read_clicks(bootstrap: str, topic: str) -> list[Click]:
    """Return every record of the clicks topic, in order within a partition."""
    return [
        Click(
            message.partition() or 0,
            message.offset() or 0,
            _bytes(message.key()),
            _bytes(message.value()) or b"",
            message.timestamp()[1],
        )
        for message in read_all(bootstrap, topic)
    ]


def gather(bootstrap: str, pipeline: ClickPipeline, search: SearchEngine) -> Evidence:
    """Return all there is to compare: what the topics hold, and the index."""
    evidence = read_outputs(bootstrap, pipeline)
    for hit in documents(search, search_of(pipeline).index):
        evidence.indexed.append((hit["_id"], hit["_index"], hit["_source"]["timestamp"]))
    return evidence


def read_outputs(bootstrap: str, pipeline: ClickPipeline) -> Evidence:
    """Return what the output topics hold."""
    topics = pipeline.spec.topics
    evidence = Evidence()
    for message in read_all(bootstrap, topics.enriched):
        key = (_bytes(message.key()) or b"").decode()
        evidence.enriched.append((key, json.loads(message.value() or b"{}"), message.timestamp()[1]))
    for message in read_all(bootstrap, topics.metrics):
        record = json.loads(message.value() or b"{}")
        evidence.windows[record["user_id"], record["window_start"]] = record["clicks"]
    for message in read_all(bootstrap, topics.dead_letters):
        headers = _headers(message)
        if headers.get("reason") == "profile-refused":
            continue  # of the profiles' topic, not a click
        if "source-offset" in headers:
            place = int(headers["source-partition"]), int(headers["source-offset"])
            evidence.dead.append((*place, headers["reason"]))
        else:
            evidence.strange_dead += 1
    return evidence


def documents(search: SearchEngine, index: str) -> Iterator[dict[str, Any]]:
    """Yield every document of all daily indices, by its id."""
    call(search, "POST", f"/{index}-*/_refresh")
    after: list[Any] | None = None
    while True:
        asked = {"size": PAGE, "sort": ["event_id"], "_source": ["timestamp"]}
        answer = call(
            search, "POST", f"/{index}-*/_search", asked | ({"search_after": after} if after else {})
        )
        if not answer.ok:
            raise CannotStart(f"{search.engine} does not list its documents: {answer.body[:300].decode()}")
        hits = answer.json()["hits"]["hits"]
        yield from hits
        if len(hits) < PAGE:
            return
        after = hits[-1]["sort"]


def _headers(message: Message) -> dict[str, str]:
    pairs: Any = message.headers() or []  # a list of pairs; the stub allows more
    return {name: (_bytes(value) or b"").decode(errors="replace") for name, value in pairs}


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
