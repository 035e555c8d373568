"""What a Kafka client of the controller is configured with."""

from pathlib import Path
from typing import Any


def client_config(kafka: dict[str, Any], secrets_dir: Path, client_id: str) -> dict[str, Any]:
    """Return the client configuration for a spec's `kafka` section; credentials are files SECRETNAME/KEY."""
    config: dict[str, Any] = {
        "bootstrap.servers": kafka["bootstrapServers"],
        "client.id": client_id,
        "reconnect.backoff.ms": 100,
        "reconnect.backoff.max.ms": 1_000,
        "socket.keepalive.enable": True,
    }
    protocol = "PLAINTEXT"
    if kafka.get("tls"):
        protocol = "SSL"
        config["ssl.ca.location"] = str(secrets_dir / kafka["tls"]["caSecret"] / "ca.crt")
    authentication = kafka.get("authentication")
    if authentication:
        user = secrets_dir / authentication["user"]
        if authentication["type"] == "tls":
            config["ssl.certificate.location"] = str(user / "user.crt")
            config["ssl.key.location"] = str(user / "user.key")
        else:
            protocol = f"SASL_{protocol}"
            config["sasl.mechanism"] = "SCRAM-SHA-512"
            config["sasl.username"] = authentication["user"]
            config["sasl.password"] = (user / "password").read_text().strip()
    return {**config, "security.protocol": protocol}
