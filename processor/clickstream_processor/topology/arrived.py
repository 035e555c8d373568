"""Clicks that count under the place where they first arrived: it is their event id, and what letters name.

Clicks that come by way of the stage `arrivals` have the place as a header of the record,
`<clicks topic>-<partition>-<offset>`; the record's own offset is that of the topic between the stages.
Clicks that a replay has sent have it in their header `replay-of` (topology/records/replayed.py).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

from clickstream_processor.topology.erasing import Erasure, erasure_in
from clickstream_processor.topology.interfaces import Headers, Message
from clickstream_processor.topology.records.replayed import (
    ATTEMPT,
    HISTORY,
    REPLAY,
    Pairs,
    Place,
    Places,
    Replayed,
    first_place_in,
    replayed_in,
)

PLACE = "place"  # the header; a record has no other, or those of a replay
_NAMES = ([PLACE], [PLACE, REPLAY, ATTEMPT, HISTORY])


class Arrived:
    """A click under the place where it first arrived: a Message whose offset is of there."""

    __slots__ = ("again", "key", "place", "timestamp", "value")

    def __init__(self, message: Message, place: Place, again: Replayed | None = None) -> None:
        """`again`: what a click that comes again says of itself."""
        self.key, self.value, self.timestamp = message.key, message.value, message.timestamp
        self.place, self.again = place, again

    def offset(self) -> int:
        """Return the offset at which the click first arrived."""
        return self.place.offset


# Clicks of one partition with offsets that grow, or records without a valid place.
Run: TypeAlias = tuple[list[Arrived], list[Message]]


class Arrivals:
    """Reads the places of a pipeline's clicks."""

    def __init__(self, clicks_topic: str, partitions: int) -> None:
        self._places = Places(clicks_topic, partitions)

    def runs(self, messages: Sequence[Message]) -> Iterator[Run]:
        """Yield the messages in order; one of the two lists of a run is empty."""
        return runs_of(map(self._found, messages))

    def arrived(self, message: Message) -> Message:
        """Return one message under its place, and as it is where it has none."""
        return self._found(message)[0] or message

    def _found(self, message: Message) -> tuple[Arrived | None, Message]:
        """Return a message under the place that its header says, None where that is none of these clicks.

        And the message, an Erasure where it is one.
        """
        try:
            headers: Headers = message.headers()  # type: ignore[attr-defined] # the client's record has it
            pairs = headers or ()
            if [name for name, _ in pairs] not in _NAMES:
                pipeline_id = erasure_in(pairs)
                return None, message if pipeline_id is None else Erasure(message, pipeline_id)
        except Exception:  # noqa: BLE001 # whatever somebody wrote there
            return None, message
        place = self._places.read(pairs[0][1])
        if place is None:
            return None, message
        return Arrived(message, place, replayed_in(pairs) if len(pairs) > 1 else None), message


HeadersIn: TypeAlias = Callable[[Sequence[Message]], Mapping[int, Pairs]]


class Replays:
    """Finds the clicks of the clicks topic that a replay has sent.

    What has no valid `replay-of` is a click as any other: it counts under its own place.
    """

    def __init__(self, clicks_topic: str, partitions: int, partition: int, headers_in: HeadersIn) -> None:
        """`partition`: of the clicks. `headers_in` gives the headers of records that have some, by index."""
        self._places = Places(clicks_topic, partitions)
        self._topic, self._partition = clicks_topic, partition
        self._headers_in = headers_in

    def among(
        self, messages: Sequence[Message], with_headers: Mapping[int, Pairs] | None = None
    ) -> dict[int, Arrived]:
        """Return those of these records that come again, under their first places, by index.

        `with_headers`: what `headers_in` gives, where that was asked already.
        """
        if with_headers is None:
            with_headers = self._headers_in(messages)
        if not with_headers:
            return {}
        found = {}
        for index, pairs in with_headers.items():
            message = messages[index]
            own = Place(self._topic, self._partition, message.offset())
            place = first_place_in(pairs, self._places, own)
            if place is not None:
                found[index] = Arrived(message, place, replayed_in(pairs))
        return found

    def arrived(self, message: Message) -> Message:
        """Return one message under its first place, and as it is where it comes for the first time."""
        return self.among((message,)).get(0, message)


def runs_of(found: Iterator[tuple[Arrived | None, Message]]) -> Iterator[Run]:
    """Yield messages in order, as `Run`s: those with their first place, and those without."""
    clicks: list[Arrived] = []
    others: list[Message] = []
    partition = offset = -1
    for click, message in found:
        if click is None:
            if clicks:
                yield clicks, []
                clicks = []
            others.append(message)
            continue
        place = click.place
        if others or place.partition != partition or place.offset <= offset:
            if clicks or others:
                yield clicks, others
            clicks, others = [], []
            partition = place.partition
        offset = place.offset
        clicks.append(click)
    if clicks or others:
        yield clicks, others
