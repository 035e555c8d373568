"""Consumes clicks and produces them as they came, in transactions, with no processing: the client's limit.

Arguments: bootstrap servers, group and transactional id, input topic, output topic. Ends at SIGTERM.
"""

import signal
import sys
import time

from confluent_kafka import Consumer, Producer

CHUNK = 1_000
COMMIT_S = 0.1


def main() -> None:
    bootstrap, name, clicks, copies = sys.argv[1:5]
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: ended.append(number))
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": name,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "fetch.queue.backoff.ms": 20,
        }
    )
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": name, "linger.ms": 5})
    producer.init_transactions()
    consumer.subscribe([clicks])
    open_since_s = 0.0
    while not ended:
        messages = consumer.consume(CHUNK, 0.05)
        if messages and not open_since_s:
            producer.begin_transaction()
            open_since_s = time.monotonic()
        for message in messages:
            if message.error() is None:
                time_ms = message.timestamp()[1]
                producer.produce(
                    copies, message.value(), message.key(), message.partition(), timestamp=time_ms
                )
        producer.poll(0)
        if open_since_s and time.monotonic() - open_since_s >= COMMIT_S:
            places = consumer.position(consumer.assignment())
            producer.send_offsets_to_transaction(places, consumer.consumer_group_metadata())
            producer.commit_transaction()
            open_since_s = 0.0
    consumer.close()


if __name__ == "__main__":
    main()
