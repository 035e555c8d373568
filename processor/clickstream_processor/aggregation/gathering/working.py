"""Working partials of one pane: cells that the gathering loop looks up, and the bound of keys."""

from typing import Any

from clickstream_processor.aggregation.metric import Metric, MetricCounters
from clickstream_processor.aggregation.values.aggregates import aggregate_type
from clickstream_processor.aggregation.values.keys import OTHER, encode_key
from clickstream_processor.topology.users.working_set import PartitionOf

CACHED_PLACES = 50_000


class Place:
    """A key of a metric: its bytes, and the partition of its partials."""

    __slots__ = ("key", "partition")

    def __init__(self, key: bytes, partition: int) -> None:
        self.key, self.partition = key, partition


class Places:
    """The keys of one metric as its expressions give them, with their bytes. They outlive a pane."""

    def __init__(self, metric: Metric, partitions: int, partition_of: PartitionOf) -> None:
        self._identity, self._single = metric.identity, len(metric.by) == 1
        self._partitions, self._partition_of = partitions, partition_of
        self._places: dict[Any, Place] = {}
        self.other = self._place(OTHER)

    def __getitem__(self, found: Any) -> Place:
        """Return the place of a key; raises EvaluationFailed where it cannot be one."""
        place = self._places.get(found)
        if place is None:
            place = self._place(encode_key((found,) if self._single else found))
            if len(self._places) >= CACHED_PLACES:
                self._places.clear()
            self._places[found] = place
        return place

    def _place(self, key: bytes) -> Place:
        return Place(key, self._partition_of(self._identity + key, self._partitions))


class Pane:
    """One pane of one metric: the keys it has had so far, and what was added since the last commit."""

    def __init__(self, metric: Metric, start_ms: int, places: Places, counters: MetricCounters) -> None:
        self.start_ms = start_ms
        self.known: set[bytes] = set()  # never more than `max_keys`
        self.max_keys, self.new_cell = metric.max_keys, aggregate_type(metric.kind)
        self.places, self.counters = places, counters
        self.cells = Cells(self)

    def take(self) -> dict[bytes, Any]:
        """Return what was added, by key, and begin anew."""
        taken = self.cells
        self.cells = Cells(self)
        return taken.by_key


class Cells(dict[Any, Any]):
    """Working aggregates of a pane by the key as the expressions give it; a miss finds a place for it."""

    __slots__ = ("_pane", "by_key")

    def __init__(self, pane: Pane) -> None:
        super().__init__()
        self._pane = pane
        self.by_key: dict[bytes, tuple[Place, Any]] = {}  # several long texts may be one key

    def __missing__(self, found: Any) -> Any:
        pane = self._pane
        place = pane.places[found]
        key, known = place.key, pane.known
        if key not in known:
            if len(known) >= pane.max_keys:
                pane.counters.other += 1
                return self._cell(pane.places.other)  # not kept by `found`: there may be any number of these
            known.add(key)
        held = self.by_key.get(key)
        if held is None:
            held = self.by_key[key] = place, pane.new_cell()
        if len(self) < pane.max_keys:
            self[found] = held[1]
        return held[1]

    def _cell(self, place: Place) -> Any:
        held = self.by_key.get(place.key)
        if held is None:
            held = self.by_key[place.key] = place, self._pane.new_cell()
        return held[1]
