"""Finds pipelines that claim one id on one Kafka: they would write into each other's topics. Pure.

This is the early word, from what this operator sees. Pipelines of two clusters on one Kafka are
told apart by the claim in the topic itself.
"""

from dataclasses import dataclass

from clickstream_operator.observed import Document
from clickstream_operator.spec import ClickPipeline
from clickstream_operator.store import Key


@dataclass(frozen=True, slots=True)
class _Claim:
    kafka: str
    id: str
    born: tuple[str, str]  # creation time and uid: the smaller one came first


class Twins:
    """Remembers the ids of the pipelines that were looked at."""

    def __init__(self) -> None:
        self._claims: dict[Key, _Claim] = {}

    def older(self, key: Key, pipeline: ClickPipeline, document: Document) -> Key | None:
        """Return an older pipeline with the same id and Kafka, and remember this one."""
        meta = document["metadata"]
        own = _Claim(
            pipeline.spec.kafka.bootstrap_servers, pipeline.id, (meta["creationTimestamp"], meta["uid"])
        )
        self._claims[key] = own
        for other, claim in self._claims.items():
            if other != key and (claim.kafka, claim.id) == (own.kafka, own.id) and claim.born < own.born:
                return other
        return None

    def forget(self, key: Key) -> None:
        """Free the id of a pipeline that is gone."""
        self._claims.pop(key, None)
