"""Finds pipelines that claim one id, or write the same topics or index, on one Kafka or engine. Pure.

This is the early word, from what this operator sees. Pipelines of two clusters on one Kafka are
told apart by the claim in the topic itself.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from clickstream_operator.kube.kinds import Document
from clickstream_operator.kube.store import Key
from clickstream_operator.lifecycle.outputs import Output, clash_message, clashes, kafkas, outputs_of
from clickstream_operator.spec.clickpipeline import ClickPipeline

# (topic, index or id; name; whether the claim says that others have it too)
_Name = tuple[str, str, bool]


@dataclass(frozen=True, slots=True)
class _Claim:
    kafkas: frozenset[str]
    id: str
    outputs: tuple[Output, ...]
    born: tuple[str, str]  # creation time and uid: the smaller one came first

    def names(self) -> Iterator[_Name]:
        """Return what is claimed. The id is never shared."""
        yield "id", self.id, False
        for output in self.outputs:
            yield output.kind, output.name, output.shared


class IdConflicts:
    """Remembers what the pipelines claim that were seen."""

    def __init__(self) -> None:
        self._claims: dict[Key, _Claim] = {}
        self._by_name: defaultdict[_Name, set[Key]] = defaultdict(set)

    def learn(self, key: Key, pipeline: ClickPipeline, document: Document) -> None:
        """Remember a pipeline before anybody asks about another one."""
        meta = document["metadata"]
        born = meta["creationTimestamp"], meta["uid"]
        claim = _Claim(kafkas(pipeline), pipeline.id, outputs_of(pipeline), born)
        if claim == self._claims.get(key):
            return
        self.forget(key)
        self._claims[key] = claim
        for name in claim.names():
            self._by_name[name].add(key)

    def older(self, key: Key) -> Key | None:
        """Return an older pipeline with the same id and Kafka."""
        own = self._claims[key]
        for other, claim in self._older(key, [("id", own.id, False)]):
            if claim.kafkas & own.kafkas:
                return other
        return None

    def clash(self, key: Key) -> str:
        """Return what to do about outputs that an older pipeline writes too; empty when there are none."""
        own = self._claims[key]
        names = [(o.kind, o.name, False) for o in own.outputs]
        names += [(o.kind, o.name, True) for o in own.outputs if not o.shared]  # both shared is no clash
        for other, claim in self._older(key, names):
            if found := clashes(own.outputs, claim.outputs):
                return clash_message(found, other)
        return ""

    def forget(self, key: Key) -> None:
        """Free what a pipeline that is gone has claimed."""
        gone = self._claims.pop(key, None)
        for name in gone.names() if gone else ():
            self._by_name[name].discard(key)
            if not self._by_name[name]:
                del self._by_name[name]

    def _older(self, key: Key, names: Iterable[_Name]) -> list[tuple[Key, _Claim]]:
        """Return the older pipelines that claim one of these names, the oldest first."""
        born = self._claims[key].born
        keys = {other for name in names for other in self._by_name.get(name, ())}
        found = [(other, self._claims[other]) for other in keys]
        return sorted((pair for pair in found if pair[1].born < born), key=lambda pair: pair[1].born)
