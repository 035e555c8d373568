"""What a Kafka client of the controller is configured with."""

from collections.abc import Callable
from typing import Any

# (secret, key) -> its text. Raises OSError when it is not there.
Secrets = Callable[[str, str], str]


def client_config(kafka: dict[str, Any], secrets: Secrets, client_id: str) -> dict[str, Any]:
    """Return the client configuration for a spec's `kafka` section.

    It holds the credentials themselves and no path: equal configurations mean the same cluster and user.
    """
    config: dict[str, Any] = {
        "bootstrap.servers": kafka["bootstrapServers"],
        "client.id": client_id,
        "reconnect.backoff.ms": 100,
        "reconnect.backoff.max.ms": 1_000,
        "socket.keepalive.enable": True,
        "enable.sparse.connections": False,  # ADR 0059: or a client may be left without any forever
    }
    protocol = "PLAINTEXT"
    if kafka.get("tls"):
        protocol = "SSL"
        config["ssl.ca.pem"] = secrets(kafka["tls"]["caSecret"], "ca.crt")
    authentication = kafka.get("authentication")
    if authentication:
        user = authentication["user"]
        if authentication["type"] == "tls":
            config["ssl.certificate.pem"] = secrets(user, "user.crt")
            config["ssl.key.pem"] = secrets(user, "user.key")
        else:
            protocol = f"SASL_{protocol}"
            config["sasl.mechanism"] = "SCRAM-SHA-512"
            config["sasl.username"] = user
            config["sasl.password"] = secrets(user, "password").strip()
    return {**config, "security.protocol": protocol}
