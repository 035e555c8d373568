"""A Kafka that may be reached by proxies as well."""

from collections.abc import Sequence
from pathlib import Path

from clickstream_local.machine.ports import HOST, free_ports
from clickstream_local.parts.kafka import Kafka

from clickstream_chaos.proxy.proxy import Proxy


def make_kafka(folder: Path, brokers: int = 1, proxies: Sequence[Proxy] = (), **more: str) -> Kafka:
    """Return a cluster, not started, that may be reached by proxies as well.

    `more`: properties of the brokers, with underscores for dots.
    """
    ports = free_ports(2 * brokers)
    properties = {name.replace("_", "."): value for name, value in more.items()}
    own = {
        number + 1: _listeners(number, ports[2 * number], ports[2 * number + 1], proxies)
        for number in range(brokers)
    }
    heap_mb = 512 if brokers == 1 else 300
    return Kafka(
        folder, brokers=brokers, ports=ports, heap_mb=heap_mb, properties=properties, broker_properties=own
    )


def _listeners(number: int, port: int, controller_port: int, proxies: Sequence[Proxy]) -> dict[str, str]:
    """Return the properties that give a broker a listener for each proxy."""
    plain = f"PLAINTEXT://{HOST}:{port}"
    own = [f"{proxy.listener}://{HOST}:{proxy.targets[number]}" for proxy in proxies]
    advertised = [f"{proxy.listener}://{HOST}:{proxy.ports[number]}" for proxy in proxies]
    names = ["CONTROLLER", "PLAINTEXT", *(proxy.listener for proxy in proxies)]
    return {
        "listeners": ",".join([plain, f"CONTROLLER://{HOST}:{controller_port}", *own]),
        "advertised.listeners": ",".join([plain, *advertised]),
        "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in names),
        "inter.broker.listener.name": "PLAINTEXT",
    }
