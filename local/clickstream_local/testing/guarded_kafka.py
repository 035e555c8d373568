"""A broker that denies a user everything but what is granted; the test's own listener may do all."""

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialUpsertion,
)

from clickstream_local.machine.ports import HOST, free_ports
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.eventually import eventually

Right = tuple[str, str, str]  # kind of the resource, its name, operation

PASSWORD = "not-a-secret-of-anybody"  # noqa: S105
_KINDS = {"topic": ResourceType.TOPIC, "group": ResourceType.GROUP}
_OPERATIONS = {
    "Read": AclOperation.READ,
    "Write": AclOperation.WRITE,
    "Describe": AclOperation.DESCRIBE,
    "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
}


class GuardedKafka:
    """The broker. `kafka.bootstrap` is the test's way in, `bootstrap` that of one user with SCRAM."""

    def __init__(self, folder: Path, user: str) -> None:
        plain, control, guarded = free_ports(3)
        self.user, self.bootstrap = user, f"{HOST}:{guarded}"
        self.kafka = Kafka(
            folder, ports=[plain, control], quick=True, properties=_properties(plain, control, self.bootstrap)
        )

    def start(self) -> None:
        """Start it, and make the user."""
        self.kafka.start()
        self._admin = AdminClient({"bootstrap.servers": self.kafka.bootstrap})
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        users: list[UserScramCredentialAlteration] = [
            UserScramCredentialUpsertion(self.user, info, PASSWORD.encode())
        ]
        for future in self._admin.alter_user_scram_credentials(users).values():
            future.result(30)

    def stop(self) -> None:
        """Stop it."""
        self.kafka.stop()

    def authentication(self, secrets: Path) -> Mapping[str, str]:
        """Write the user's Secret; return the settings of who uses it."""
        (secrets / self.user).mkdir(parents=True, exist_ok=True)
        (secrets / self.user / "password").write_text(PASSWORD)
        return {"type": "scram-sha-512", "user": self.user}

    def allow(self, rights: Iterable[Right]) -> None:
        """Grant these, and wait until they are in force: the answer only says that they are stored."""
        bindings = list(map(self._binding, rights))
        for future in self._admin.create_acls(bindings).values():
            future.result(30)
        for binding in bindings:
            eventually(partial(self._known, binding), f"{binding} is known", timeout_s=180)

    def take_back(self, rights: Iterable[Right]) -> None:
        """Take these back, and wait until they are not in force any more."""
        for binding in map(self._binding, rights):
            for future in self._admin.delete_acls([_exactly(binding)]).values():
                future.result(30)
            eventually(partial(self._is_gone, binding), f"{binding} is gone", timeout_s=180)

    def _binding(self, right: Right) -> AclBinding:
        kind, name, operation = right
        whom = (f"User:{self.user}", "*", _OPERATIONS[operation], AclPermissionType.ALLOW)
        return AclBinding(_KINDS[kind], name, ResourcePatternType.LITERAL, *whom)

    def _known(self, binding: AclBinding) -> list[AclBinding]:
        """Return what the broker knows of one grant."""
        return list(self._admin.describe_acls(_exactly(binding)).result(30))

    def _is_gone(self, binding: AclBinding) -> bool:
        return not self._known(binding)


def _exactly(binding: AclBinding) -> AclBindingFilter:
    """Return the filter that only this grant passes."""
    exact = (binding.restype, binding.name, binding.resource_pattern_type, binding.principal)
    return AclBindingFilter(*exact, binding.host, binding.operation, binding.permission_type)


def _properties(plain: int, control: int, guarded: str) -> dict[str, str]:
    clients = f"PLAINTEXT://{HOST}:{plain},SCRAM://{guarded}"
    return {
        "listeners": f"{clients},CONTROLLER://{HOST}:{control}",
        "advertised.listeners": clients,
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SCRAM:SASL_PLAINTEXT",
        "listener.name.scram.sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.scram.scram-sha-512.sasl.jaas.config": (
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        ),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "allow.everyone.if.no.acl.found": "false",
    }
