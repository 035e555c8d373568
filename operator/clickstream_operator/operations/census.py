"""How many operations are in each phase, as the metric tells it."""

from collections import Counter

from clickstream_operator.kube.store import Key
from clickstream_operator.metrics import OPERATIONS


class Census:
    """Of one kind. Names are not told: they may be those of people."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._phases: dict[Key, str] = {}
        self._counts: Counter[tuple[str, str]] = Counter()  # by namespace and phase

    def put(self, key: Key, phase: str) -> None:
        """Take the phase of one."""
        if self._phases.get(key) != phase:
            self.remove(key)
            self._phases[key] = phase
            self._add(key.namespace, phase, 1)

    def remove(self, key: Key) -> None:
        """Forget one that is gone."""
        if phase := self._phases.pop(key, ""):
            self._add(key.namespace, phase, -1)

    def _add(self, namespace: str, phase: str, number: int) -> None:
        self._counts[namespace, phase] += number
        if count := self._counts[namespace, phase]:
            OPERATIONS.labels(namespace, self._kind, phase).set(count)
        else:
            del self._counts[namespace, phase]
            OPERATIONS.remove(namespace, self._kind, phase)
