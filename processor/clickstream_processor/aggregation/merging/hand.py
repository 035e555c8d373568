"""What a metrics task has in hand: decoded aggregates, which of them have changed, the bound of keys."""

from collections.abc import Collection, Iterable

from clickstream_processor.aggregation.metric import Metric
from clickstream_processor.aggregation.partials import KEY_AT, end_of, pane_prefix
from clickstream_processor.aggregation.values.aggregates import Aggregate
from clickstream_processor.aggregation.values.keys import OTHER
from clickstream_processor.aggregation.windows import stored_aggregate
from clickstream_processor.topology.users.working_set import CommittedState


class Hand:
    """A bounded cache over the committed state, and the changes that are not committed yet."""

    def __init__(self, committed: CommittedState, cached: int) -> None:
        self._committed, self._cached = committed, cached
        self.forget()

    def forget(self) -> None:
        """Drop every uncommitted change, and the cache."""
        self.held: dict[bytes, Aggregate] = {}  # by the state's key
        self._touched: dict[bytes, None] = {}  # in the order of the first change
        self._keys: dict[bytes, int] = {}  # by pane: how many keys it has, without (other)

    @property
    def touched(self) -> Collection[bytes]:
        """Return the keys that have changed since the last commit."""
        return self._touched.keys()

    def aggregate(self, key: bytes) -> Aggregate | None:
        """Return the aggregate of a key of the state as it is now, None: there is none. Not to be changed."""
        aggregate = self.held.get(key)
        if aggregate is None and (data := self._committed.get(key)) is not None:
            aggregate = self.held[key] = stored_aggregate(data)
        return aggregate

    def put(self, key: bytes, aggregate: Aggregate) -> None:
        """Take a changed aggregate."""
        self.held[key] = aggregate
        self._touched[key] = None

    def touch(self, key: bytes) -> None:
        """Note that an aggregate at hand has changed in place."""
        self._touched[key] = None

    def place(self, metric: Metric, key: bytes) -> bytes:
        """Return the state's key for a partial's: its own while its pane has places, then that of (other)."""
        if key[KEY_AT:] == OTHER or self.aggregate(key) is not None:
            return key
        pane = key[:KEY_AT]
        if self.keys_of(pane) >= metric.max_keys:
            return pane + OTHER
        self._keys[pane] += 1
        return key

    def keys_of(self, pane: bytes) -> int:
        """Return how many keys a pane has, (other) left out; `pane`: what its keys begin with."""
        if pane not in self._keys:
            self._keys[pane] = self._count(pane)
        return self._keys[pane]

    def settle(self, expired: Iterable[tuple[bytes, int]]) -> None:
        """After the commit. `expired`: of metrics by identity, the start of the first pane that is kept."""
        for identity, kept_ms in expired:
            first, end = pane_prefix(identity, 0), pane_prefix(identity, kept_ms)
            for panes in (self.held, self._keys):
                for key in [key for key in panes if first <= key < end]:
                    del panes[key]
        if len(self.held) > self._cached:
            self.held.clear()
        self._touched.clear()

    def _count(self, pane: bytes) -> int:
        """Return how many keys a pane has, those held back included."""
        keys = {key for key, _ in self._committed.scan(pane, end_of(pane))}
        keys.update(key for key in self._touched if key.startswith(pane))
        return len(keys - {pane + OTHER})
