"""How the producer is sure of the brokers, and the brokers of it."""

from pathlib import Path
from typing import Any

from clickstream_collector.errors import InvalidSettings
from clickstream_collector.settings import PREFIX, KafkaSettings

# What the brokers call the types of authentication that are SASL.
MECHANISMS = {
    "scram-sha-256": "SCRAM-SHA-256",
    "scram-sha-512": "SCRAM-SHA-512",
    "plain": "PLAIN",
    "oauthbearer": "OAUTHBEARER",
}


def security(kafka: KafkaSettings) -> dict[str, Any]:
    """Return the client's options. Raises InvalidSettings when a mounted file cannot be read."""
    protocol = "SSL" if kafka.tls else "PLAINTEXT"
    config: dict[str, Any] = {}
    if kafka.ca_file:
        config["ssl.ca.location"] = _readable(kafka.ca_file, "KAFKA_CA_FILE")
    if kafka.certificate_file:
        config["ssl.certificate.location"] = _readable(kafka.certificate_file, "KAFKA_CERTIFICATE_FILE")
        config["ssl.key.location"] = _readable(kafka.key_file, "KAFKA_KEY_FILE")
    if kafka.user:
        protocol = f"SASL_{protocol}"
        config |= _sasl(kafka)
    return config | {"security.protocol": protocol}


def _sasl(kafka: KafkaSettings) -> dict[str, Any]:
    has_name = kafka.user_file and Path(kafka.user_file).exists()
    user = _text(kafka.user_file, "KAFKA_USER_FILE") if has_name else kafka.user
    password = _text(kafka.password_file, "KAFKA_PASSWORD_FILE")
    config = {"sasl.mechanism": MECHANISMS[kafka.authentication]}
    if kafka.authentication != "oauthbearer":
        return config | {"sasl.username": user, "sasl.password": password}
    config |= {
        "sasl.oauthbearer.method": "oidc",  # the client gets tokens, and new ones before they expire
        "sasl.oauthbearer.client.id": user,
        "sasl.oauthbearer.client.secret": password,
        "sasl.oauthbearer.token.endpoint.url": kafka.token_endpoint,
    }
    if kafka.token_scope:
        config["sasl.oauthbearer.scope"] = kafka.token_scope
    if kafka.token_extensions:
        config["sasl.oauthbearer.extensions"] = kafka.token_extensions
    if kafka.token_ca_file:
        config["https.ca.location"] = _readable(kafka.token_ca_file, "KAFKA_TOKEN_CA_FILE")
    return config


def _readable(path: str, name: str) -> str:
    _text(path, name)
    return path


def _text(path: str, name: str) -> str:
    """Return what the file says, without blanks around it."""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSettings(f"{PREFIX}{name}: {path}: cannot be read: {type(error).__name__}") from error
