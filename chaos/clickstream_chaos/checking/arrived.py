"""Clicks of any partitioner, on their way through the stage `arrivals`: in which order they are processed.

A record of the topic between the stages has the place where its click first arrived in a header. What comes
of the click bears that place; stream time is that of the partition to which it was moved.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from confluent_kafka import Message

from clickstream_chaos.checking.model import Input, Place

HEADER = "place"
ERASURE = "erasure"  # the header of a record that erases the user of its key


def erasure_in(record: Message) -> Input:
    """Return a record that erases the user of its key."""
    partition, offset, key = record.partition() or 0, record.offset() or 0, record.key() or b""
    return Input(partition, offset, key, record.value(), erases=key.decode())


class Arrived:
    """Joins the clicks as they came with what the stage has made of them."""

    def __init__(self) -> None:
        self.doubled: list[Place] = []
        self._clicks: dict[Place, Input] = {}
        self._moved: set[Place] = set()

    def take(self, moved: Iterable[Message], clicks: Iterable[Input]) -> Iterator[Input]:
        """Return the clicks that were moved, in the order in which they are processed.

        Read the moved ones first: each is of a click that the input then has.
        """
        records = list(moved)
        self._clicks |= {(click.partition, click.offset): click for click in clicks}
        for record in records:
            headers: Any = record.headers()  # the client's stubs allow more shapes than it returns
            if ERASURE in dict(headers):
                yield erasure_in(record)
                continue
            _, partition, offset = dict(headers)[HEADER].decode().rsplit("-", 2)
            place = int(partition), int(offset)
            if place in self._moved:
                self.doubled.append(place)
                continue
            self._moved.add(place)
            yield replace(self._clicks[place], partition=record.partition() or 0, place=place)

    def refused(self, clicks: Iterable[Input]) -> Iterator[Input]:
        """Return those that the stage cannot move, as nobody can say whose they are."""
        return (click for click in clicks if (click.partition, click.offset) not in self._moved)
