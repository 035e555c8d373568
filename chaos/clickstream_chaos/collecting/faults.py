"""What happens to the collector, its brokers, and the connections between them."""

import random
import time
from collections.abc import Callable

from clickstream_local.parts.kafka import Kafka

from clickstream_chaos.collecting.target import Target
from clickstream_chaos.proxy.proxy import Proxy


class NotInOrder(Exception):
    """The collector did not end as it must after SIGTERM."""


class Faults:
    """Each method is a fault; it is over when it returns, and the parts start or stand again."""

    def __init__(self, target: Target, kafka: Kafka, proxy: Proxy, chance: random.Random) -> None:
        self._target, self._kafka, self._proxy, self._chance = target, kafka, proxy, chance
        self.all: dict[str, Callable[[], None]] = {
            "collector-kill": self.collector_kill,
            "collector-stop": self.collector_stop,
            "broker-kill": self.broker_kill,
            "connections-cut": self.connections_cut,
            "answers-lost": self.answers_lost,
        }

    def collector_kill(self) -> None:
        """Kill the collector with requests under way, and start it again."""
        self._target.process.kill()
        self._target.process.start()

    def collector_stop(self) -> None:
        """End the collector in order: it finishes what is under way, and exits with 0."""
        self._target.process.stop()
        if self._target.process.exit_status != 0:
            raise NotInOrder(f"exit status {self._target.process.exit_status} after SIGTERM")
        self._target.process.start()

    def broker_kill(self) -> None:
        """Kill a broker, and start it again."""
        node = self._chance.choice(self._kafka.nodes).number
        self._kafka.kill(node)
        self._hold(4)
        self._kafka.start(node)

    def connections_cut(self) -> None:
        """Break every connection between collector and brokers, and refuse new ones for a while."""
        self._proxy.cut()
        self._hold(5)
        self._proxy.mend()

    def answers_lost(self) -> None:
        """Let the brokers write what they are sent, and let no acknowledgement reach the collector."""
        self._proxy.stall("", later=False)
        self._hold(3)
        self._proxy.mend()

    def _hold(self, most_s: float) -> None:
        time.sleep(self._chance.uniform(0, most_s))  # the fault itself takes so long
