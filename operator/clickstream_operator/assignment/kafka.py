"""What a Kafka client of the controller is configured with."""

from collections.abc import Callable
from typing import Any

# (secret, key) -> its text. Raises OSError when it is not there.
Secrets = Callable[[str, str], str]
# What the brokers call the types of authentication that are SASL.
MECHANISMS = {
    "scram-sha-256": "SCRAM-SHA-256",
    "scram-sha-512": "SCRAM-SHA-512",
    "plain": "PLAIN",
    "oauthbearer": "OAUTHBEARER",
}


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
    return {**config, **_security(kafka, secrets)}


def _security(kafka: dict[str, Any], secrets: Secrets) -> dict[str, Any]:
    """Return how the client is sure of the brokers, and they of it."""
    tls, authentication = kafka.get("tls"), kafka.get("authentication")
    protocol = "PLAINTEXT" if tls is None else "SSL"
    config: dict[str, Any] = {}
    if tls and tls.get("caSecret"):
        config["ssl.ca.pem"] = secrets(tls["caSecret"], "ca.crt")
    if authentication and authentication["type"] == "tls":
        config["ssl.certificate.pem"] = secrets(authentication["user"], "user.crt")
        config["ssl.key.pem"] = secrets(authentication["user"], "user.key")
    elif authentication:
        protocol = f"SASL_{protocol}"
        config |= _sasl(authentication, secrets)
    return {**config, "security.protocol": protocol}


def _sasl(authentication: dict[str, Any], secrets: Secrets) -> dict[str, Any]:
    user, mechanism = authentication["user"], MECHANISMS[authentication["type"]]
    if mechanism != "OAUTHBEARER":
        return {
            "sasl.mechanism": mechanism,
            "sasl.username": _name_of(user, "username", secrets),
            "sasl.password": secrets(user, "password").strip(),
        }
    oauth = authentication["oauth"]
    config = {
        "sasl.mechanism": mechanism,
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.client.id": _name_of(user, "clientId", secrets),
        "sasl.oauthbearer.client.secret": secrets(user, "clientSecret").strip(),
        "sasl.oauthbearer.token.endpoint.url": oauth["tokenEndpoint"],
    }
    if oauth.get("scope"):
        config["sasl.oauthbearer.scope"] = oauth["scope"]
    if oauth.get("extensions"):
        pairs = (f"{name}={value}" for name, value in oauth["extensions"].items())
        config["sasl.oauthbearer.extensions"] = ",".join(pairs)
    if oauth.get("caSecret"):
        config["https.ca.pem"] = secrets(oauth["caSecret"], "ca.crt")
    return config


def _name_of(user: str, key: str, secrets: Secrets) -> str:
    """Return the user's name: what its Secret says under `key`, else the Secret's own name."""
    try:
        return secrets(user, key).strip() or user
    except OSError:
        return user
