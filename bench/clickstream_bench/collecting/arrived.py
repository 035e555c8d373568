"""Whether each event that was answered is in the topic, and how often."""

import time
from collections import Counter
from collections.abc import Iterable

import msgspec
from confluent_kafka import Consumer, TopicPartition

from clickstream_bench.collecting.servers import CLICKS
from clickstream_bench.ground import DEADLINE_S


class _Id(msgspec.Struct):
    message_id: str


_decode = msgspec.json.Decoder(_Id).decode


def counted(answered: Iterable[str], arrived: Counter[str]) -> dict[str, int]:
    """Return how many answered events are not in the topic, and how many are there more than once."""
    return {
        "lost": sum(1 for each in answered if each not in arrived),
        "doubled": sum(1 for number in arrived.values() if number > 1),
    }


def arrived(bootstrap: str) -> Counter[str]:
    """Return how often each message id is in the topic of clicks, read to its end."""
    reader = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "bench-arrived", "isolation.level": "read_committed"}
    )
    found: Counter[str] = Counter()
    try:
        left: dict[int, int] = {}
        for number in reader.list_topics(CLICKS, timeout=30).topics[CLICKS].partitions:
            _, high = reader.get_watermark_offsets(TopicPartition(CLICKS, number), 30)
            if high:
                left[number] = high
        reader.assign([TopicPartition(CLICKS, number, 0) for number in left])
        deadline_s = time.monotonic() + DEADLINE_S
        while left:
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"{CLICKS} cannot be read to its end: {left}")
            messages = reader.consume(5_000, 0.5)
            for message in messages:
                number, offset, value = message.partition(), message.offset(), message.value()
                if message.error() or number is None or offset is None or value is None:
                    raise SystemExit(f"{CLICKS}: {message.error()}")
                found[_decode(value).message_id] += 1
                if offset + 1 >= left.get(number, 0):
                    left.pop(number, None)
    finally:
        reader.close()
    return found
