"""How a pod's Kafka clients are sure of the brokers, and the brokers of them."""

from typing import Any

from clickstream_processor import logs
from clickstream_processor.settings.settings import Authentication, OAuth, Settings

# What the brokers call the types of authentication that are SASL.
MECHANISMS = {
    "scram-sha-256": "SCRAM-SHA-256",
    "scram-sha-512": "SCRAM-SHA-512",
    "plain": "PLAIN",
    "oauthbearer": "OAUTHBEARER",
}


def security(settings: Settings) -> dict[str, Any]:
    """Return the client's options; credentials come from mounted files. Raises InvalidSettings."""
    tls, authentication = settings.kafka.tls, settings.kafka.authentication
    protocol = "PLAINTEXT" if tls is None else "SSL"
    config: dict[str, Any] = {}
    if tls is not None and tls.ca_secret is not None:
        config["ssl.ca.location"] = _file(settings, tls.ca_secret, "ca.crt")
    if authentication is not None and authentication.type == "tls":
        config["ssl.certificate.location"] = _file(settings, authentication.user, "user.crt")
        config["ssl.key.location"] = _file(settings, authentication.user, "user.key")
    elif authentication is not None:
        protocol = f"SASL_{protocol}"
        config |= _sasl(settings, authentication)
    return config | {"security.protocol": protocol}


def _sasl(settings: Settings, authentication: Authentication) -> dict[str, Any]:
    user, oauth = authentication.user, authentication.oauth
    config = {"sasl.mechanism": MECHANISMS[authentication.type]}
    if oauth is not None:
        return config | _tokens(settings, user, oauth)
    return config | {
        "sasl.username": settings.read_secret_or(user, "username", user),
        "sasl.password": _hidden(settings, user, "password"),
    }


def _tokens(settings: Settings, user: str, oauth: OAuth) -> dict[str, Any]:
    """Return how the client gets tokens, and new ones before they expire: it does so by itself."""
    config = {
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.client.id": settings.read_secret_or(user, "clientId", user),
        "sasl.oauthbearer.client.secret": _hidden(settings, user, "clientSecret"),
        "sasl.oauthbearer.token.endpoint.url": oauth.token_endpoint,
    }
    if oauth.scope:
        config["sasl.oauthbearer.scope"] = oauth.scope
    if oauth.extensions:
        pairs = (f"{name}={value}" for name, value in oauth.extensions.items())
        config["sasl.oauthbearer.extensions"] = ",".join(pairs)
    if oauth.ca_secret is not None:
        config["https.ca.location"] = _file(settings, oauth.ca_secret, "ca.crt")
    return config


def _hidden(settings: Settings, secret: str, key: str) -> str:
    value = settings.read_secret(secret, key)
    logs.hide(value)
    return value


def _file(settings: Settings, secret: str, key: str) -> str:
    """Return the path of a key that can be read."""
    settings.read_secret(secret, key)
    return str(settings.secret_path(secret, key))
