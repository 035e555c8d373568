"""Brokers that stop, die, or are away."""

import time

from clickstream_chaos.faults.registry import TIME, fault
from clickstream_chaos.suite import Suite
from clickstream_chaos.waiting import NotInTime

AWAY_LONG_S = 300.0


@fault("broker-restart", 1, stalls=False)
def broker_restart(suite: Suite) -> None:
    """Stop a broker in order and start it again."""
    suite.kafka.restart(_any_broker(suite))


@fault("broker-kill", 1, stalls=False)
def broker_kill(suite: Suite) -> None:
    """Kill a broker and start it again."""
    node = _any_broker(suite)
    suite.kafka.kill(node)
    time.sleep(suite.chance.uniform(0, 5))
    suite.kafka.start(node)


@fault("kafka-away", 1, stalls=False)
def kafka_away(suite: Suite) -> None:
    """Freeze all brokers for a while: no pod may end, and nothing may move for it."""
    _away(suite, suite.chance.uniform(8, 25))


@fault("kafka-away-long", 1, needs=TIME, stalls=False)
def kafka_away_for_minutes(suite: Suite) -> None:
    """Freeze all brokers for five minutes: the pods wait, and go on where they were."""
    _away(suite, AWAY_LONG_S)


def _away(suite: Suite, seconds: float) -> None:
    suite.kafka.suspend()
    time.sleep(seconds)
    suite.kafka.resume()
    ended = [o for o in range(suite.pipeline.shape.pods) if not suite.pipeline.pod(o).is_running()]
    if ended:
        raise NotInTime(f"pods {ended} ended while Kafka was away")


def _any_broker(suite: Suite) -> int:
    return suite.chance.choice(suite.kafka.nodes).number
