"""Users who leave are taken out of pods, changelog and index by a resource, and nothing brings them back."""

import hashlib
import json
import time
from collections.abc import Iterator

import pytest
from clickstream_e2e.kube import Document, condition, eventually
from clickstream_e2e.platform import NAMESPACE, secret, sql
from clickstream_e2e.storefront import NAME, PARTITIONS, Storefront

CLICKS = 4
# Of this run alone: a run with E2E_KEEP finds what the one before left.
RUN = time.time_ns() // 1_000_000_000
LEAVER, OTHER, STAYER = f"leaver-{RUN}", f"follower-{RUN}", f"stayer-{RUN}"  # none is in another
CHANGELOG = f"{NAMESPACE}.{NAME}-changelog"
OBJECTS = ("job", "configmap", "networkpolicy", "secret")
POD = f"{NAME}-processor-0"
# Files of the stores, but for manifests: these name the keys at the ends of files that are gone.
_FILES = (
    "import pathlib, sys\n"
    "user = sys.argv[1].encode()\n"
    "files = [p for p in pathlib.Path('/var/lib/clickstream').rglob('*') if p.suffix in ('.sst', '.log')]\n"
    "print(sum(user in p.read_bytes() for p in files if p.is_file()))\n"
)
# Keys of a compacted topic that name a user and whose newest record has a value.
_ALIVE = (
    "import sys\n"
    "from confluent_kafka import Consumer, TopicPartition\n"
    "bootstrap, topic, partitions, user = sys.argv[1:]\n"
    "consumer = Consumer({'bootstrap.servers': bootstrap, 'group.id': 'e2e-erasure', "
    "'enable.auto.commit': False, 'isolation.level': 'read_committed', 'enable.partition.eof': True})\n"
    "left = {number for number in range(int(partitions))}\n"
    "consumer.assign([TopicPartition(topic, number, -2) for number in left])\n"
    "alive = {}\n"
    "while left:\n"
    "    message = consumer.poll(30)\n"
    "    assert message is not None, 'no answer'\n"
    "    if message.error():\n"
    "        left.discard(message.partition())\n"
    "    elif user.encode() in (message.key() or b''):\n"
    "        alive[message.key()] = message.value() is not None\n"
    "print(sum(alive.values()))\n"
)


class Erasure:
    """One ClickErasure of the pipeline."""

    def __init__(self, storefront: Storefront, name: str, **spec: object) -> None:
        self.kube, self.name = storefront.kube, f"{name}-{RUN}"
        document = {
            "apiVersion": "clickstream.dev/v1alpha1",
            "kind": "ClickErasure",
            "metadata": {"name": self.name, "namespace": NAMESPACE},
            "spec": {"pipeline": NAME} | spec,
        }
        self.kube.apply([document])

    def complete(self) -> Document:
        """Wait for its end; return its status."""

        def look() -> Document | None:
            status: Document = self.kube.get("clickerasure", self.name, NAMESPACE)["status"]
            assert condition({"status": status}, "Complete")["status"] == "True", status
            return status

        found = eventually(f"erasure {self.name} is Complete", look, 1_200)
        assert found is not None
        return found

    def pod(self) -> Document:
        """Return the pod that ran last."""
        return self.kube.items("pods", NAMESPACE, f"clickstream.dev/erasure={self.name}")[-1]

    def is_gone(self) -> bool:
        """Tell whether all that the operator made for it is gone."""
        gone = [self.kube.is_gone(kind, f"{self.name}-erasure", NAMESPACE) for kind in OBJECTS]
        return all(gone) and not self.kube.items("pods", NAMESPACE, f"clickstream.dev/erasure={self.name}")


def files_with(storefront: Storefront, user: str) -> int:
    """Return how many files of the stores of all pods have a user's id."""
    found = 0
    for pod in storefront.pods():
        command = ["exec", pod["metadata"]["name"], "--namespace", NAMESPACE, "--", "python", "-c", _FILES]
        found += int(storefront.kube(*command, user))
    return found


def alive(storefront: Storefront, user: str) -> int:
    """Return how many keys of the changelog name a user and have a value."""
    command = ["exec", "tester", "--namespace", NAMESPACE, "--", "python", "-c", _ALIVE]
    bootstrap = "events-kafka-bootstrap:9092"
    return int(storefront.kube(*command, bootstrap, CHANGELOG, str(PARTITIONS), user))


def indexed(storefront: Storefront, user: str) -> int:
    """Return how many documents a user has."""
    return storefront.search(f"user_id:%22{user}%22")


def is_known(storefront: Storefront, user: str) -> bool:
    """Tell whether the pods know a user."""
    return bool(storefront.metrics(user)[0]["status"] == 200)


def insert(storefront: Storefront, user: str) -> None:
    """Insert the row of a user."""
    row = f"('{user}', 'New', '{user}@example.com', 'US', 'premium')"
    sql(storefront.kube, f"INSERT INTO public.user_profiles VALUES {row}")  # noqa: S608


@pytest.fixture(scope="module")
def before(storefront: Storefront) -> Iterator[int]:
    """Send clicks of three users, and delete the rows of two. Return a time behind all clicks."""
    for user in (LEAVER, OTHER, STAYER):
        insert(storefront, user)
        eventually(f"{user} is known", lambda user=user: is_known(storefront, user))  # type: ignore[misc]
        storefront.send(user, CLICKS)
    at_ms = time.time_ns() // 1_000_000
    for user in (LEAVER, OTHER, STAYER):
        eventually(
            f"clicks of {user} are counted and in the index",
            lambda user=user: (  # type: ignore[misc]
                storefront.count(user, at_ms) == CLICKS and indexed(storefront, user) == CLICKS
            ),
        )
    assert alive(storefront, LEAVER) > 0
    for user in (LEAVER, OTHER):
        sql(storefront.kube, f"DELETE FROM public.user_profiles WHERE user_id = '{user}'")  # noqa: S608
    yield at_ms
    # What accounts for all clicks takes the rows that are there: with one missing they were dead letters.
    for user in (LEAVER, OTHER):
        insert(storefront, user)


@pytest.fixture(scope="module")
def erased(storefront: Storefront, before: int) -> Erasure:
    """Erase one of them by a Secret, which the operator does not read."""
    storefront.kube.apply([secret("leavers", {"all": f"{LEAVER}\n"})], NAMESPACE)
    erasure = Erasure(storefront, "request", usersSecret={"name": "leavers", "key": "all"})
    erasure.complete()
    return erasure


def test_a_dry_run_says_what_there_is_and_takes_nothing(storefront: Storefront, before: int) -> None:
    status = Erasure(storefront, "look", users=[STAYER], dryRun=True).complete()
    places = {place["kind"]: place for place in status["places"]}
    assert condition({"status": status}, "Complete")["reason"] == "DryRun"
    assert places["changelog"]["found"] > 0
    assert places["index"] == {
        "name": places["index"]["name"],
        "kind": "index",
        "found": CLICKS,
        "left": CLICKS,
    }
    assert indexed(storefront, STAYER) == CLICKS
    assert storefront.count(STAYER, before) == CLICKS


def test_the_receipt_says_what_was_found_and_that_nothing_is_left(erased: Erasure) -> None:
    status = erased.complete()
    places = {place["kind"]: place for place in status["places"]}
    assert status["users"] == [hashlib.sha256(LEAVER.encode()).hexdigest()]
    assert places["changelog"]["found"] > 0
    assert places["index"]["found"] == CLICKS
    assert [places[kind]["left"] for kind in ("changelog", "pods", "index")] == [0, 0, 0]
    assert status["goneAt"] > status["completionTime"]


def test_nothing_of_the_user_is_left_in_pods_changelog_and_index(
    storefront: Storefront, before: int, erased: Erasure
) -> None:
    assert not is_known(storefront, LEAVER)
    assert indexed(storefront, LEAVER) == 0
    assert alive(storefront, LEAVER) == 0
    assert files_with(storefront, LEAVER) == 0


def test_other_users_keep_what_they_have(storefront: Storefront, before: int, erased: Erasure) -> None:
    for user in (OTHER, STAYER):
        assert indexed(storefront, user) == CLICKS
        assert alive(storefront, user) > 0
    assert storefront.count(STAYER, before) == CLICKS


def test_no_id_is_in_what_others_may_read(storefront: Storefront, erased: Erasure) -> None:
    read = ("get", "clickerasures,jobs,pods,configmaps,events", "--namespace", NAMESPACE, "--output", "yaml")
    log = storefront.kube("logs", erased.pod()["metadata"]["name"], "--namespace", NAMESPACE)
    assert LEAVER not in storefront.kube(*read) + log


def test_its_pod_may_do_little(erased: Erasure) -> None:
    """The namespace enforces the restricted standard, so running is proof of that."""
    spec = erased.pod()["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
    assert "serviceAccountToken" not in json.dumps(spec["volumes"])


def test_a_lost_volume_brings_nothing_back(storefront: Storefront, before: int, erased: Erasure) -> None:
    claim = storefront.kube.get("pvc", f"data-{POD}", NAMESPACE)["metadata"]["uid"]
    storefront.kube("delete", "pvc", f"data-{POD}", "--namespace", NAMESPACE, "--wait=false")
    storefront.kube("delete", "pod", POD, "--namespace", NAMESPACE)
    eventually(
        "the volume is a new one",
        lambda: storefront.kube.get("pvc", f"data-{POD}", NAMESPACE)["metadata"]["uid"] != claim,
    )
    storefront.until_pods(2)
    storefront.until("Ready", "True")
    assert not is_known(storefront, LEAVER)
    assert files_with(storefront, LEAVER) == 0
    assert indexed(storefront, LEAVER) == 0
    assert storefront.count(STAYER, before) == CLICKS


def test_users_of_the_spec_are_erased_too_and_go_with_the_resource(
    storefront: Storefront, before: int
) -> None:
    erasure = Erasure(storefront, "by-spec", users=[OTHER])
    erasure.complete()
    assert (indexed(storefront, OTHER), alive(storefront, OTHER)) == (0, 0)
    told = storefront.kube("get", "clickerasures", erasure.name, "--namespace", NAMESPACE).splitlines()
    assert told[0].split() == ["NAME", "PIPELINE", "USERS", "PHASE", "COMPLETE", "GONE", "AGE"]
    assert told[1].split()[:5] == [erasure.name, NAME, "1", "Complete", "True"]
    storefront.kube("delete", "clickerasure", erasure.name, "--namespace", NAMESPACE, "--timeout=120s")
    eventually("all its objects are gone", erasure.is_gone)
