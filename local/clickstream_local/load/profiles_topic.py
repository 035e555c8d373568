"""Another team, which fills the profiles topic itself: what `source.topic` reads."""

import json
from collections.abc import Sequence

from confluent_kafka import Producer

from clickstream_local.load.profiles import Profile


class ProfilesTopic:
    """Writes flat rows, keyed by user. Used by one thread at a time."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._topic = topic
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "partitioner": "murmur2_random",  # Java's; librdkafka's own default is another
                "enable.idempotence": True,
                "message.timeout.ms": 0,  # wait as long as it takes
                "log_level": 2,
            }
        )

    def fill(self, profiles: Sequence[Profile]) -> None:
        """Write a row for each profile, and wait until the brokers have them."""
        for profile in profiles:
            self._producer.produce(self._topic, json.dumps(profile.row()), profile.user_id)
            self._producer.poll(0)
        self._producer.flush(60)

    def put(self, profile: Profile) -> None:
        """Write a row, in place of the one before with this user_id."""
        self._producer.produce(self._topic, json.dumps(profile.row()), profile.user_id)
        self._producer.poll(0)

    def delete(self, user_id: str) -> None:
        """Write that a row is gone."""
        self._producer.produce(self._topic, None, user_id)
        self._producer.poll(0)
