"""A broker with one listener for each way in which a user proves itself; all of them speak TLS."""

from pathlib import Path

from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialUpsertion,
)

from clickstream_local.machine.ports import HOST, free_ports
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.authority import Authority
from clickstream_local.testing.token_server import AUDIENCE, ISSUER, TokenServer

TYPES = ("scram-sha-256", "scram-sha-512", "plain", "oauthbearer", "tls")
USER = "storefront"
API_KEY = "ABCDEF0123456789"  # a user's name that no Secret can have, as those of clouds are
PASSWORD, CLIENT_SECRET = "not-a-secret-of-anybody", "nor-this-one-of-anybody"
_LISTENERS = {"scram-sha-256": "SCRAM", "scram-sha-512": "SCRAM", "plain": "BASIC", "oauthbearer": "TOKENS"}
_SECURITY = "org.apache.kafka.common.security"


class SecuredKafka:
    """The broker, its authority and its identity provider. `kafka.bootstrap` is the test's own way in."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder / "authority")
        certificate, key = self.authority.sign("localhost")
        self.tokens = TokenServer(API_KEY, CLIENT_SECRET, certificate, key)
        store = folder / "authority" / "broker.pem"
        store.write_text(key.read_text() + certificate.read_text() + self.authority.certificate.read_text())
        plain, control, *ports = free_ports(6)
        names = ("SCRAM", "BASIC", "TOKENS", "CERTIFICATES")
        self._ports = dict(zip(names, ports, strict=True))
        self.kafka = Kafka(
            folder / "kafka",
            ports=[plain, control],
            quick=True,
            java_options=[f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={self.tokens.keys_url}"],
            properties=self._properties(plain, control, store),
        )

    def start(self) -> None:
        """Start provider and broker, and make the users of SCRAM."""
        self.tokens.start()
        self.kafka.start()
        users: list[UserScramCredentialAlteration] = [
            UserScramCredentialUpsertion(USER, ScramCredentialInfo(mechanism, 4096), PASSWORD.encode())
            for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512)
        ]
        admin = AdminClient({"bootstrap.servers": self.kafka.bootstrap})
        for user in users:  # one mechanism a request: the answers are by the user's name
            for future in admin.alter_user_scram_credentials([user]).values():
                future.result(30)

    def stop(self) -> None:
        """Stop both."""
        self.kafka.stop()
        self.tokens.stop()

    def bootstrap(self, kind: str) -> str:
        """Return where a user of this type of authentication connects."""
        return f"{HOST}:{self._ports[_LISTENERS.get(kind, 'CERTIFICATES')]}"

    def write_secrets(self, folder: Path, kind: str, password: str = "") -> None:
        """Write the Secrets of a user of this type as Kubernetes mounts them.

        `password`: one that is not its own; of type tls, an authority that is not the brokers'.
        """
        files = {("ca", "ca.crt"): self.authority.certificate.read_text()}
        if kind == "tls":
            authority = Authority(folder / "another") if password else self.authority
            certificate, key = authority.sign(USER)
            files |= {(USER, "user.crt"): certificate.read_text(), (USER, "user.key"): key.read_text()}
        elif kind == "oauthbearer":
            files |= {(USER, "clientSecret"): password or CLIENT_SECRET, (USER, "clientId"): API_KEY}
        else:
            files[USER, "password"] = password or PASSWORD
        if kind == "plain":
            files[USER, "username"] = API_KEY
        for (secret, name), text in files.items():
            (folder / secret).mkdir(parents=True, exist_ok=True)
            (folder / secret / name).write_text(text)

    def _properties(self, plain: int, control: int, store: Path) -> dict[str, str]:
        secured = [f"{name}://{HOST}:{port}" for name, port in self._ports.items()]
        clients = ",".join([f"PLAINTEXT://{HOST}:{plain}", *secured])
        scram = f"{_SECURITY}.scram.ScramLoginModule required;"
        tokens = "listener.name.tokens"
        return {
            "listeners": f"{clients},CONTROLLER://{HOST}:{control}",
            "advertised.listeners": clients,
            "listener.security.protocol.map": (
                "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SCRAM:SASL_SSL,BASIC:SASL_SSL,TOKENS:SASL_SSL,"
                "CERTIFICATES:SSL"
            ),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(store),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.authority.certificate),
            "listener.name.certificates.ssl.client.auth": "required",
            "listener.name.scram.sasl.enabled.mechanisms": "SCRAM-SHA-256,SCRAM-SHA-512",
            "listener.name.scram.scram-sha-256.sasl.jaas.config": scram,
            "listener.name.scram.scram-sha-512.sasl.jaas.config": scram,
            "listener.name.basic.sasl.enabled.mechanisms": "PLAIN",
            "listener.name.basic.plain.sasl.jaas.config": (
                f'{_SECURITY}.plain.PlainLoginModule required user_{API_KEY}="{PASSWORD}";'
            ),
            f"{tokens}.sasl.enabled.mechanisms": "OAUTHBEARER",
            f"{tokens}.oauthbearer.sasl.jaas.config": (
                f"{_SECURITY}.oauthbearer.OAuthBearerLoginModule required;"
            ),
            f"{tokens}.oauthbearer.sasl.server.callback.handler.class": (
                f"{_SECURITY}.oauthbearer.OAuthBearerValidatorCallbackHandler"
            ),
            f"{tokens}.oauthbearer.connections.max.reauth.ms": "3600000",  # a session ends with its token
            f"{tokens}.sasl.oauthbearer.jwks.endpoint.url": self.tokens.keys_url,
            f"{tokens}.sasl.oauthbearer.expected.audience": AUDIENCE,
            f"{tokens}.sasl.oauthbearer.expected.issuer": ISSUER,
        }
