"""Every record of the dead letters' topic is a letter, whatever the client can tell of it."""

from typing import Any, cast

from clickstream_processor.kafka.letter_topic import letters_in
from clickstream_processor.topology.interfaces import Message
from confluent_kafka import Message as KafkaMessage
from processor_support.queries.query_pods import Record


def kafka_record(offset: int, kind: int, *headers: tuple[str, bytes]) -> Message:
    """Return a record as the client has it."""
    made = KafkaMessage(  # type: ignore[call-overload,unused-ignore]
        topic="dead-letters",
        partition=3,
        offset=offset,
        key=b"alice",
        value=b"{",
        headers=cast(Any, list(headers)),
        timestamp=(kind, 1_000),
    )
    return cast(Message, made)


def test_letters_have_their_places_times_and_headers() -> None:
    first, second = letters_in(3, [kafka_record(5, 1, ("reason", b"late")), kafka_record(7, 0)])
    assert (first.partition, first.offset, first.at_ms) == (3, 5, 1_000)
    assert (first.key, first.value, first.headers) == (b"alice", b"{", [("reason", b"late")])
    assert first.said.reason == "late"
    assert (second.offset, second.at_ms, second.headers, second.said.reason) == (7, None, (), "unknown")


def test_record_whose_headers_the_client_cannot_give_hides_no_other_letter() -> None:
    odd = Record(b"bob", b"odd", 6, 2_000)  # the client's function for headers raises an error over it
    found = letters_in(
        3, [kafka_record(5, 1, ("reason", b"late")), odd, kafka_record(7, 1, ("reason", b"not-json"))]
    )
    assert [(each.offset, each.said.reason) for each in found] == [
        (5, "late"),
        (6, "unknown"),
        (7, "not-json"),
    ]
