"""How this collector is set up: the only reader of the environment."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clickstream_collector.errors import InvalidSettings
from clickstream_collector.sender.addresses import Network, networks
from clickstream_collector.sender.privacy import Privacy

PREFIX = "CLICKSTREAM_COLLECTOR_"


@dataclass(frozen=True, slots=True)
class Setting:
    """One variable, for the help text and the documentation."""

    name: str
    default: str
    meaning: str


SETTINGS = (
    Setting("CLICKSTREAM_COLLECTOR_BOOTSTRAP_SERVERS", "", "Kafka's bootstrap servers. Required."),
    Setting("CLICKSTREAM_COLLECTOR_PIPELINE_ID", "", "The pipeline's id, such as shop.storefront. Required."),
    Setting("CLICKSTREAM_COLLECTOR_CLICKS_TOPIC", "user-clicks", "Where clicks go."),
    Setting("CLICKSTREAM_COLLECTOR_DEAD_LETTERS_TOPIC", "dead-letters", "Where refused events go."),
    Setting("CLICKSTREAM_COLLECTOR_IDENTITIES_TOPIC", "<id>-identities", "Where pairs of ids go."),
    Setting("CLICKSTREAM_COLLECTOR_KAFKA_TLS", "off", "on: TLS to the brokers; with a CA, always."),
    Setting("CLICKSTREAM_COLLECTOR_KAFKA_CA_FILE", "", "CA of the brokers, PEM; without it, the system's."),
    Setting("CLICKSTREAM_COLLECTOR_KAFKA_CERTIFICATE_FILE", "", "Client certificate, PEM."),
    Setting("CLICKSTREAM_COLLECTOR_KAFKA_KEY_FILE", "", "Private key of that certificate, PEM."),
    Setting("CLICKSTREAM_COLLECTOR_KAFKA_AUTHENTICATION", "scram-sha-512", "How the user proves itself."),
    Setting("CLICKSTREAM_COLLECTOR_KAFKA_USER", "", "Kafka user or client ID; with it SASL is used."),
    Setting("CLICKSTREAM_COLLECTOR_KAFKA_USER_FILE", "", "File with the user's name; where there is one."),
    Setting("CLICKSTREAM_COLLECTOR_KAFKA_PASSWORD_FILE", "", "File with that user's password or secret."),
    Setting("CLICKSTREAM_COLLECTOR_KAFKA_TOKEN_ENDPOINT", "", "Where oauthbearer gets its tokens."),
    Setting("CLICKSTREAM_COLLECTOR_KAFKA_TOKEN_SCOPE", "", "Scope of the tokens."),
    Setting("CLICKSTREAM_COLLECTOR_KAFKA_TOKEN_EXTENSIONS", "", "SASL extensions, as a=b,c=d."),
    Setting("CLICKSTREAM_COLLECTOR_KAFKA_TOKEN_CA_FILE", "", "CA of that endpoint; else the system's."),
    Setting("CLICKSTREAM_COLLECTOR_COMPRESSION", "lz4", "Of records: none, lz4, zstd, gzip or snappy."),
    Setting("CLICKSTREAM_COLLECTOR_KEYS_FILE", "", "Write keys, one a line; required unless open."),
    Setting("CLICKSTREAM_COLLECTOR_OPEN", "off", "on: no write key is needed."),
    Setting("CLICKSTREAM_COLLECTOR_MAX_BODY_BYTES", "524288", "Largest body; decompressed 8 times that."),
    Setting("CLICKSTREAM_COLLECTOR_IP", "truncate", "Of the visitor's address: truncate or drop."),
    Setting("CLICKSTREAM_COLLECTOR_USER_AGENT", "keep", "The visitor's user agent: keep or drop."),
    Setting("CLICKSTREAM_COLLECTOR_BOTS", "flag", "Events of bots: flag or drop."),
    Setting("CLICKSTREAM_COLLECTOR_TRUSTED_PROXIES", "", "Networks of proxies, such as 10.0.0.0/8."),
    Setting("CLICKSTREAM_COLLECTOR_HOST", "0.0.0.0", "Address of both ports."),  # noqa: S104
    Setting("CLICKSTREAM_COLLECTOR_PORT", "8080", "Port for events."),
    Setting("CLICKSTREAM_COLLECTOR_ADMIN_PORT", "8081", "Port of /livez, /readyz and /metrics."),
    Setting("CLICKSTREAM_COLLECTOR_MAX_REQUESTS", "512", "Requests under way; above it 503."),
    Setting("CLICKSTREAM_COLLECTOR_MAX_BYTES", "67108864", "Bytes of bodies under way; above it 503."),
    Setting("CLICKSTREAM_COLLECTOR_QUEUE_RECORDS", "100000", "Records that wait for Kafka; above it 503."),
    Setting("CLICKSTREAM_COLLECTOR_QUEUE_BYTES", "134217728", "Bytes that wait for Kafka; above it 503."),
    Setting("CLICKSTREAM_COLLECTOR_BODY_SECONDS", "15", "Time for a client to send its body."),
    Setting("CLICKSTREAM_COLLECTOR_DELIVERY_SECONDS", "10", "Time for Kafka to acknowledge; then 503."),
    Setting("CLICKSTREAM_COLLECTOR_STOP_SECONDS", "20", "Time after SIGTERM for requests under way."),
    Setting("CLICKSTREAM_COLLECTOR_LOG_LEVEL", "INFO", "DEBUG, INFO, WARNING or ERROR."),
    Setting("CLICKSTREAM_COLLECTOR_LOG_FORMAT", "text", "text or json."),
)  # fmt: skip

_CHOICES = {
    "COMPRESSION": ("none", "lz4", "zstd", "gzip", "snappy"),
    "KAFKA_TLS": ("on", "off"),
    "KAFKA_AUTHENTICATION": ("scram-sha-256", "scram-sha-512", "plain", "oauthbearer"),
    "OPEN": ("on", "off"),
    "IP": ("truncate", "drop"),
    "USER_AGENT": ("keep", "drop"),
    "BOTS": ("flag", "drop"),
    "LOG_LEVEL": ("DEBUG", "INFO", "WARNING", "ERROR"),
    "LOG_FORMAT": ("text", "json"),
}
_NUMBERS = {  # name -> smallest, largest
    "MAX_BODY_BYTES": (1_024, 64 << 20),
    "PORT": (1, 65_535),
    "ADMIN_PORT": (1, 65_535),
    "MAX_REQUESTS": (1, 100_000),
    "MAX_BYTES": (1_024, 8 << 30),
    "QUEUE_RECORDS": (1, 10_000_000),
    "QUEUE_BYTES": (1 << 20, 2 << 30),
    "BODY_SECONDS": (1, 600),
    "DELIVERY_SECONDS": (1, 300),
    "STOP_SECONDS": (1, 600),
}


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """Where Kafka is and how to write."""

    bootstrap_servers: str
    client_id: str
    tls: bool
    ca_file: str  # empty: the system's authorities
    certificate_file: str
    key_file: str
    authentication: str  # how `user` proves itself
    user: str  # empty: no SASL
    user_file: str  # of its name, where that is another
    password_file: str
    token_endpoint: str
    token_scope: str
    token_extensions: str
    token_ca_file: str
    compression: str
    queue_records: int
    queue_bytes: int
    delivery_s: float


@dataclass(frozen=True, slots=True)
class Settings:
    """The installation, as one value."""

    kafka: KafkaSettings
    clicks_topic: str
    dead_letters_topic: str
    identities_topic: str
    keys_file: Path | None  # None: open
    max_body_bytes: int
    privacy: Privacy
    trusted_proxies: tuple[Network, ...]
    host: str
    port: int
    admin_port: int
    max_requests: int
    max_bytes: int
    body_s: float
    stop_s: float
    log_level: str
    log_format: str


def read_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings. Raises InvalidSettings with every problem: what, where, and what is allowed."""
    given = {s.name.removeprefix(PREFIX): environ.get(s.name) or s.default for s in SETTINGS}
    problems = [*_missing(given), *_wrong(given)]
    proxies: tuple[Network, ...] = ()
    try:
        proxies = networks(given["TRUSTED_PROXIES"])
    except ValueError as error:
        problems.append(f"{PREFIX}TRUSTED_PROXIES: {error}; must be networks such as 10.0.0.0/8, by commas")
    if problems:
        raise InvalidSettings("\n".join(problems))
    number = {name: int(given[name]) for name in _NUMBERS}
    return Settings(
        kafka=_kafka(given, number),
        clicks_topic=given["CLICKS_TOPIC"],
        dead_letters_topic=given["DEAD_LETTERS_TOPIC"],
        identities_topic=given["IDENTITIES_TOPIC"].replace("<id>", given["PIPELINE_ID"]),
        keys_file=None if given["OPEN"] == "on" else Path(given["KEYS_FILE"]),
        max_body_bytes=number["MAX_BODY_BYTES"],
        privacy=Privacy(given["IP"] == "truncate", given["USER_AGENT"] == "keep", given["BOTS"] == "drop"),
        trusted_proxies=proxies,
        host=given["HOST"],
        port=number["PORT"],
        admin_port=number["ADMIN_PORT"],
        max_requests=number["MAX_REQUESTS"],
        max_bytes=number["MAX_BYTES"],
        body_s=float(number["BODY_SECONDS"]),
        stop_s=float(number["STOP_SECONDS"]),
        log_level=given["LOG_LEVEL"],
        log_format=given["LOG_FORMAT"],
    )


def _kafka(given: Mapping[str, str], number: Mapping[str, int]) -> KafkaSettings:
    return KafkaSettings(
        bootstrap_servers=given["BOOTSTRAP_SERVERS"],
        client_id=f"{given['PIPELINE_ID']}-collector-{socket.gethostname()}",
        tls=given["KAFKA_TLS"] == "on" or bool(given["KAFKA_CA_FILE"] or given["KAFKA_CERTIFICATE_FILE"]),
        ca_file=given["KAFKA_CA_FILE"],
        certificate_file=given["KAFKA_CERTIFICATE_FILE"],
        key_file=given["KAFKA_KEY_FILE"],
        authentication=given["KAFKA_AUTHENTICATION"],
        user=given["KAFKA_USER"],
        user_file=given["KAFKA_USER_FILE"],
        password_file=given["KAFKA_PASSWORD_FILE"],
        token_endpoint=given["KAFKA_TOKEN_ENDPOINT"],
        token_scope=given["KAFKA_TOKEN_SCOPE"],
        token_extensions=given["KAFKA_TOKEN_EXTENSIONS"],
        token_ca_file=given["KAFKA_TOKEN_CA_FILE"],
        compression=given["COMPRESSION"],
        queue_records=number["QUEUE_RECORDS"],
        queue_bytes=number["QUEUE_BYTES"],
        delivery_s=float(number["DELIVERY_SECONDS"]),
    )


def _missing(given: Mapping[str, str]) -> list[str]:
    wanted = {
        "BOOTSTRAP_SERVERS": "as events-kafka-bootstrap:9092",
        "PIPELINE_ID": "as shop.storefront",
    }
    if given["OPEN"] == "off":
        wanted["KEYS_FILE"] = f"a file of write keys, or {PREFIX}OPEN=on to take events from anybody"
    if given["KAFKA_USER"]:
        wanted["KAFKA_PASSWORD_FILE"] = f"the password of {PREFIX}KAFKA_USER"
        if given["KAFKA_AUTHENTICATION"] == "oauthbearer":
            wanted["KAFKA_TOKEN_ENDPOINT"] = "where oauthbearer gets its tokens"  # noqa: S105
    if given["KAFKA_CERTIFICATE_FILE"]:
        wanted["KAFKA_KEY_FILE"] = f"the key of {PREFIX}KAFKA_CERTIFICATE_FILE"
    return [f"{PREFIX}{name}: is required: {what}" for name, what in wanted.items() if not given[name]]


def _wrong(given: Mapping[str, str]) -> list[str]:
    found = [
        f"{PREFIX}{name}: {given[name]}: must be one of {', '.join(allowed)}"
        for name, allowed in _CHOICES.items()
        if given[name] not in allowed
    ]
    for name, (low, high) in _NUMBERS.items():
        text = given[name]
        if not (text.isascii() and text.isdigit() and len(text) < 16 and low <= int(text) <= high):
            found.append(f"{PREFIX}{name}: {text}: must be a whole number from {low} to {high}")
    return found
