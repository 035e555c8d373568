"""Finds pipelines that claim one id, or write the same topics or index, on one Kafka or engine. Pure.

This is the early word, from what this operator sees. Pipelines of two clusters on one Kafka are
told apart by the claim in the topic itself.
"""

from dataclasses import dataclass

from clickstream_operator.observed import Document
from clickstream_operator.outputs import Output, clash_message, clashes, kafkas, outputs_of
from clickstream_operator.spec import ClickPipeline
from clickstream_operator.store import Key


@dataclass(frozen=True, slots=True)
class _Claim:
    kafkas: frozenset[str]
    id: str
    outputs: tuple[Output, ...]
    born: tuple[str, str]  # creation time and uid: the smaller one came first


class Twins:
    """Remembers what the pipelines claim that were seen."""

    def __init__(self) -> None:
        self._claims: dict[Key, _Claim] = {}

    def learn(self, key: Key, pipeline: ClickPipeline, document: Document) -> None:
        """Remember a pipeline before anybody asks about another one."""
        meta = document["metadata"]
        born = meta["creationTimestamp"], meta["uid"]
        self._claims[key] = _Claim(kafkas(pipeline), pipeline.id, outputs_of(pipeline), born)

    def older(self, key: Key) -> Key | None:
        """Return an older pipeline with the same id and Kafka."""
        own = self._claims[key]
        for other, claim in self._older(key, own):
            if claim.id == own.id and claim.kafkas & own.kafkas:
                return other
        return None

    def clash(self, key: Key) -> str:
        """Return what to do about outputs that an older pipeline writes too; empty when there are none."""
        own = self._claims[key]
        for other, claim in self._older(key, own):
            if found := clashes(own.outputs, claim.outputs):
                return clash_message(found, other)
        return ""

    def forget(self, key: Key) -> None:
        """Free what a pipeline that is gone has claimed."""
        self._claims.pop(key, None)

    def _older(self, key: Key, own: _Claim) -> list[tuple[Key, _Claim]]:
        found = [(k, c) for k, c in self._claims.items() if k != key and c.born < own.born]
        return sorted(found, key=lambda pair: pair[1].born)
