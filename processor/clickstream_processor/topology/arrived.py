"""Clicks that come by way of the stage `arrivals`: each under the place where it first arrived.

The place is a header of the record, `<clicks topic>-<partition>-<offset>`. It is the click's event id, and
what its dead letter names; the record's own offset is that of the topic between the stages.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

from clickstream_processor.topology.interfaces import Headers, Message

PLACE = "place"  # the header; the record has no other
_OFFSET_DIGITS = 19


class Place(NamedTuple):
    """Where a record lies."""

    topic: str
    partition: int
    offset: int


class Arrived:
    """A click under the place where it first arrived: a Message whose offset is of there."""

    __slots__ = ("key", "place", "timestamp", "value")

    def __init__(self, message: Message, place: Place) -> None:
        self.key, self.value, self.timestamp = message.key, message.value, message.timestamp
        self.place = place

    def offset(self) -> int:
        """Return the offset at which the click first arrived."""
        return self.place.offset


# Clicks of one partition with offsets that grow, or records without a valid place.
Run: TypeAlias = tuple[list[Arrived], list[Message]]


class Arrivals:
    """Reads the places of a pipeline's clicks."""

    def __init__(self, clicks_topic: str, partitions: int) -> None:
        self._topic = clicks_topic
        self._partitions = {f"{clicks_topic}-{number}".encode(): number for number in range(partitions)}

    def runs(self, messages: Sequence[Message]) -> Iterator[Run]:
        """Yield the messages in order; one of the two lists of a run is empty."""
        clicks: list[Arrived] = []
        strays: list[Message] = []
        partition = offset = -1
        for message in messages:
            place = self.place_of(message)
            if place is None:
                if clicks:
                    yield clicks, []
                    clicks = []
                strays.append(message)
                continue
            if strays or place.partition != partition or place.offset <= offset:
                if clicks or strays:
                    yield clicks, strays
                clicks, strays = [], []
                partition = place.partition
            offset = place.offset
            clicks.append(Arrived(message, place))
        if clicks or strays:
            yield clicks, strays

    def arrived(self, message: Message) -> Message:
        """Return one message under its place, and as it is where it has none."""
        place = self.place_of(message)
        return message if place is None else Arrived(message, place)

    def place_of(self, message: Message) -> Place | None:
        """Return the place that a record's header says; None where it says no place of these clicks."""
        try:
            headers: Headers = message.headers()  # type: ignore[attr-defined] # the client's record has it
            ((name, value),) = headers or ()
        except Exception:  # noqa: BLE001 # whatever somebody wrote there
            return None
        if name != PLACE or not isinstance(value, bytes):
            return None
        log, _, offset = value.rpartition(b"-")
        partition = self._partitions.get(log)
        if partition is None or not offset.isdigit() or len(offset) > _OFFSET_DIGITS:
            return None
        return Place(self._topic, partition, int(offset))
