"""A pipeline's pods and controller on a broker that denies all but the documented ACLs."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from clickstream_local.machine.ports import HOST, free_ports, free_row
from clickstream_local.machine.web import request
from clickstream_local.parts.controller import Controller as ControllerProcess
from clickstream_local.parts.kafka import Kafka
from clickstream_local.parts.pods import Pods
from clickstream_local.testing.eventually import eventually
from clickstream_operator.assignment.clients import Clients
from clickstream_operator.assignment.options import options_from
from clickstream_operator.manifests.settings import settings_document
from clickstream_operator.manifests.topics import topic_specs
from clickstream_operator.spec.clickpipeline import ClickPipeline, parse
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialUpsertion,
)
from operator_support import REPOSITORY
from operator_support.documents import changed

pytestmark = pytest.mark.real

PODS, CONTROLLER = "storefront", "operator"
PASSWORD = "not-a-secret-of-anybody"  # noqa: S105
REFUSED = "The brokers do not let the pods read dead-letters: their user needs Read."
_TYPES = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactionalId": ResourceType.TRANSACTIONAL_ID,
}
_OPERATIONS = {
    "Read": AclOperation.READ,
    "Write": AclOperation.WRITE,
    "Describe": AclOperation.DESCRIBE,
    "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
}


def documented(side: str, page: str = "prepare-kafka.md") -> list[dict[str, Any]]:
    """Return the list of a side as a page of docs/how-to has it."""
    text = (REPOSITORY / "docs" / "how-to" / page).read_text()
    blocks = re.findall(rf"```yaml acls={side}\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 1
    return list(yaml.safe_load(blocks[0]))


def bindings(user: str, acls: list[dict[str, Any]]) -> list[AclBinding]:
    found = []
    for acl in acls:
        resource = acl["resource"]
        is_prefix = resource.get("patternType") == "prefix"
        pattern = ResourcePatternType.PREFIXED if is_prefix else ResourcePatternType.LITERAL
        kind, allow = _TYPES[resource["type"]], AclPermissionType.ALLOW
        for operation in acl["operations"]:
            what = (kind, resource["name"], pattern, f"User:{user}", "*", _OPERATIONS[operation], allow)
            found.append(AclBinding(*what))
    return found


def _exactly(binding: AclBinding) -> AclBindingFilter:
    """Return the filter that only this grant passes."""
    exact = (binding.restype, binding.name, binding.resource_pattern_type, binding.principal)
    return AclBindingFilter(*exact, binding.host, binding.operation, binding.permission_type)


class Guarded:
    """A broker whose SCRAM listener knows two users and allows them what was granted."""

    def __init__(self, folder: Path) -> None:
        plain, control, guarded = free_ports(3)
        self.bootstrap = f"{HOST}:{guarded}"
        plaintext, scram = f"PLAINTEXT://{HOST}:{plain}", f"SCRAM://{self.bootstrap}"
        self.kafka = Kafka(
            folder,
            ports=[plain, control],
            quick=True,
            properties={
                "listeners": f"{plaintext},{scram},CONTROLLER://{HOST}:{control}",
                "advertised.listeners": f"{plaintext},{scram}",
                "listener.security.protocol.map": (
                    "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SCRAM:SASL_PLAINTEXT"
                ),
                "listener.name.scram.sasl.enabled.mechanisms": "SCRAM-SHA-512",
                "listener.name.scram.scram-sha-512.sasl.jaas.config": (
                    "org.apache.kafka.common.security.scram.ScramLoginModule required;"
                ),
                "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "super.users": "User:ANONYMOUS",  # the plain listener is the test's own
                "allow.everyone.if.no.acl.found": "false",
            },
        )
        self.kafka.start()
        self.admin = AdminClient({"bootstrap.servers": self.kafka.bootstrap})
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        users: list[UserScramCredentialAlteration] = [
            UserScramCredentialUpsertion(user, info, PASSWORD.encode()) for user in (PODS, CONTROLLER)
        ]
        for future in self.admin.alter_user_scram_credentials(users).values():
            future.result(30)

    def allow(self, user: str, acls: list[dict[str, Any]]) -> None:
        """Grant these, and wait until they are in force: the answer only says that they are stored."""
        granted = bindings(user, acls)
        for future in self.admin.create_acls(granted).values():
            future.result(30)
        for binding in granted:
            eventually(partial(self._known, binding), f"{binding} is known")

    def _known(self, binding: AclBinding) -> list[AclBinding]:
        """Return what the broker knows of one grant."""
        return list(self.admin.describe_acls(_exactly(binding)).result(30))

    def take_back(self, user: str, acls: list[dict[str, Any]]) -> None:
        """Take these back, and wait until they are not in force any more."""
        for binding in bindings(user, acls):
            for future in self.admin.delete_acls([_exactly(binding)]).values():
                assert future.result(30), f"there was no {binding}"
            eventually(partial(self._is_gone, binding), f"{binding} is gone")

    def _is_gone(self, binding: AclBinding) -> bool:
        return not self._known(binding)

    def topics_of(self, pipeline: ClickPipeline) -> None:
        """Create them, as Strimzi's topic operator would."""
        new = [NewTopic(t.name, t.partitions, 1, config=t.config) for t in topic_specs(pipeline)]
        for future in self.admin.create_topics(new).values():
            future.result(30)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    guarded = Guarded(tmp_path_factory.mktemp("guarded") / "kafka")
    yield guarded
    guarded.kafka.stop()


@pytest.fixture(scope="module")
def pipeline(guarded: Guarded) -> ClickPipeline:
    """Return the pipeline that the documented lists are about, its topics made."""
    user = {"type": "scram-sha-512", "user": PODS, "controllerUser": CONTROLLER}
    changes = {
        "kafka.bootstrapServers": guarded.bootstrap,
        "kafka.authentication": user,
        "topics.partitions": 2,
        "topics.replicas": 1,
        "processing.join": {"type": "left"},
        "processors.replicas": 2,
        "sink.search.url": "http://127.0.0.1:1",
    }
    found = parse(changed(changes))
    assert found.id == "shop.storefront"
    guarded.topics_of(found)
    return found


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    for name, key, value in (
        (PODS, "password", PASSWORD),
        (CONTROLLER, "password", PASSWORD),
        ("storefront-peer-key", "key", "peers"),
    ):
        (tmp_path / "secrets" / name).mkdir(parents=True)
        (tmp_path / "secrets" / name / key).write_text(value)
    return tmp_path / "secrets"


def settings(pipeline: ClickPipeline, user: str, admin_port: int = 1) -> dict[str, Any]:
    document = settings_document(pipeline, HOST, admin_port, 1)
    document["kafka"]["authentication"]["user"] = user
    return document


@pytest.mark.long
def test_pods_and_controller_work_with_the_documented_acls_alone(
    guarded: Guarded, pipeline: ClickPipeline, secrets: Path, tmp_path: Path
) -> None:
    guarded.allow(PODS, documented("processors"))
    guarded.allow(CONTROLLER, documented("controller"))
    query_port, _, admin_port, _ = pairs_of_ports()
    files = {}
    for user in (PODS, CONTROLLER):
        files[user] = tmp_path / f"{user}.json"
        files[user].write_text(json.dumps(settings(pipeline, user, admin_port)))
    controller = ControllerProcess(tmp_path, settings=files[CONTROLLER], secrets=secrets)
    pods = Pods(
        tmp_path,
        settings=files[PODS],
        secrets=secrets,
        count=2,
        query_port=query_port,
        admin_port=admin_port,
        assignment="control",
    )
    controller.start()
    try:
        pods.start()
        producer = Producer(
            {
                "bootstrap.servers": guarded.kafka.bootstrap,
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
            }
        )
        complete = {"aggregate_type": "Initial Snapshot", "type": "COMPLETED"}
        producer.produce("shop.storefront-notifications", json.dumps(complete).encode())
        click = {"user_id": "alice", "page_url": "/", "action": "view", "timestamp": 1690000000000}
        producer.produce("user-clicks", json.dumps(click).encode(), b"alice")
        assert producer.flush(30) == 0
        reader = Consumer({"bootstrap.servers": guarded.kafka.bootstrap, "group.id": "test"})
        ends = [TopicPartition("enriched-clicks", p, 0) for p in range(2)]
        reader.assign(ends)
        eventually(lambda: (m := reader.poll(1)) is not None and m.error() is None, "the click comes out")
        reader.close()
        eventually(lambda: offsets_of(guarded, "shop.storefront"), "offsets for lag tools are committed")
        pods.kill(0)  # the other one fences it, and has the right to
        survivor = pods.pods[1]
        eventually(lambda: owned_by(pods, 1) == {"clicks-0", "clicks-1"}, "the other pod owns all")
        assert survivor.process.is_running()
        assert status_of(admin_port + 1)["topic_findings"] == []
        configs = [
            {**acl, "operations": ["DescribeConfigs"]}
            for acl in documented("processors")
            if acl["resource"]["name"] == "enriched-clicks"
        ]
        guarded.take_back(PODS, configs)
        wanted = "topic enriched-clicks: the ACL DescribeConfigs is missing"
        eventually(
            lambda: any(wanted in f["message"] for f in status_of(admin_port + 1)["topic_findings"]),
            "the pod says what it may not read",
        )
        assert owned_by(pods, 1) == {"clicks-0", "clicks-1"}  # and goes on
        guarded.allow(PODS, configs)
        eventually(lambda: letters_of(query_port + 1)[0] == 200, "dead letters can be read")
        reading = [
            {**acl, "operations": ["Read"]}
            for acl in documented("processors")
            if acl["resource"]["name"] == "dead-letters"
        ]
        producer.produce("dead-letters", b"anything")
        assert producer.flush(30) == 0
        guarded.take_back(PODS, reading)
        eventually(
            lambda: letters_of(query_port + 1) == (503, REFUSED), "the pod says that it may not read letters"
        )
        guarded.allow(PODS, reading)
        guarded.allow(PODS, documented("replays", "replay-on-kubernetes.md"))
        mistyped = json.dumps(click | {"timestamp": "1690000000000"}).encode()
        producer.produce("user-clicks", mistyped, b"alice")
        assert producer.flush(30) == 0
        eventually(lambda: "mistyped-field" in reasons_of(query_port + 1), "it is a dead letter")
        report = replay(tmp_path, files[PODS], secrets)
        assert (report["replayed"], report["failed_again"], report["message"]) == (1, 0, ""), report
    finally:
        pods.stop()
        controller.stop()


def replay(folder: Path, settings: Path, secrets: Path) -> dict[str, Any]:
    """Run a replay as a Job does, with the pods' user; return its report."""
    file = folder / "replay.json"
    fix = {"timestamp": "int(click.timestamp)"}
    document = {"version": 1, "name": "fix", "uid": "uid-fix", "reasons": ["mistyped-field"], "set": fix}
    file.write_text(json.dumps(document))
    environment = {
        **os.environ,
        "CLICKSTREAM_SETTINGS": str(settings),
        "CLICKSTREAM_SECRETS_DIR": str(secrets),
        "CLICKSTREAM_REPLAY_FILE": str(file),
        "CLICKSTREAM_HOST": HOST,
        "CLICKSTREAM_ADMIN_PORT": str(free_ports(1)[0]),
    }
    command = [sys.executable, "-m", "clickstream_processor.replaying"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def status_of(admin_port: int) -> dict[str, Any]:
    """Return what a pod tells of itself."""
    url = f"http://{HOST}:{admin_port}/status"
    answer = request("GET", url, headers={"Authorization": "Bearer peers"}, timeout_s=5)
    return dict(json.loads(answer.body)) if answer.ok else {"topic_findings": []}


def letters_of(query_port: int) -> tuple[int, str]:
    """Return status and detail of a pod's answer about dead letters."""
    answer = request("GET", f"http://{HOST}:{query_port}/api/letters", timeout_s=30)
    return answer.status, "" if answer.ok else str(answer.json()["detail"])


def reasons_of(query_port: int) -> set[str]:
    """Return the reasons of the dead letters that a pod tells of."""
    answer = request("GET", f"http://{HOST}:{query_port}/api/letters", timeout_s=30)
    return {each["reason"] for each in answer.json()["letters"]} if answer.ok else set()


def offsets_of(guarded: Guarded, group: str) -> list[TopicPartition]:
    """Return the offsets that a group has committed."""
    request = ConsumerGroupTopicPartitions(group)
    found = guarded.admin.list_consumer_group_offsets([request])[group].result(30)
    return [where for where in found.topic_partitions or [] if where.offset >= 0]


def owned_by(pods: Pods, ordinal: int) -> set[str]:
    tasks = pods.tasks(ordinal) or {}
    return {n for n, t in tasks.items() if t["role"] == "owner" and t["phase"] == "running"}


def pairs_of_ports() -> tuple[int, int, int, int]:
    """Return four free ports, the second and the fourth next to the one before."""
    first, third = free_row(2), free_row(2)
    return first, first + 1, third, third + 1


def only(password: str) -> Callable[[str, str], str]:
    """Return Secrets with a password and nothing else, as a KafkaUser's."""

    def secret(name: str, key: str) -> str:
        if key != "password":
            raise OSError(f"Secret {name} has no key {key}")
        return password

    return secret


def says(pipeline: ClickPipeline, wanted: Callable[[str], bool]) -> str:
    """Run the controller until its word on Kafka is as wanted; return it."""
    document = settings(pipeline, CONTROLLER)
    options = options_from(document, only(PASSWORD))
    with Clients(options.kafka) as clients:
        handle = clients.start(options)
        eventually(lambda: wanted(handle.controller.snapshot.kafka) or handle.ended.is_set())
        word = handle.controller.snapshot.kafka
        handle.leave()
        assert handle.ended.wait(180)
    return word


@pytest.mark.parametrize("missing", range(len(documented("controller"))), ids=["assignment", "acks", "id"])
def test_controller_names_what_it_is_refused(missing: int, guarded: Guarded, pipeline: ClickPipeline) -> None:
    acl = documented("controller")[missing]
    guarded.allow(CONTROLLER, documented("controller"))
    guarded.take_back(CONTROLLER, [acl])
    expected = acl["resource"]["name"] if acl["resource"]["type"] == "topic" else "Transactional Id"
    word = says(pipeline, lambda word: "authorization failed" in word and expected.lower() in word.lower())
    assert "docs/how-to/prepare-kafka.md" in word
    guarded.allow(CONTROLLER, [acl])


def test_wrong_password_is_said(guarded: Guarded, pipeline: ClickPipeline) -> None:
    options = options_from(settings(pipeline, CONTROLLER), only("wrong"))
    with Clients(options.kafka) as clients:
        handle = clients.start(options)
        eventually(lambda: "Authentication failed" in handle.controller.snapshot.kafka)
