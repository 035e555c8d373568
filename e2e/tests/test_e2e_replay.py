"""Dead letters are replayed by a resource: corrected or as they came, each once, under its first event id."""

import json
import time
from typing import Any

import pytest
from clickstream_e2e.kube import Document, Kube, condition, eventually
from clickstream_e2e.platform import NAMESPACE, sql
from clickstream_e2e.storefront import NAME, Storefront

CLICKS = 4
# Of this run alone: a run with E2E_KEEP finds what the one before left.
RUN = time.time_ns() // 1_000_000_000
# Has a profile. Sends times as text.
MISTYPER = f"mistyper-{RUN}"
# Has none at first. The tester's checker knows users of this name.
NEWCOMER = f"newcomer-{RUN}"
OBJECTS = ("job", "configmap", "networkpolicy")
CORRECTION: Document = {"reasons": ["mistyped-field"], "set": {"timestamp": "int(click.timestamp)"}}


class Replay:
    """One ClickReplay of the pipeline, for the letters of one user."""

    def __init__(self, kube: Kube, name: str, user: str, **spec: Any) -> None:
        self.kube, self.name = kube, f"{name}-{RUN}"
        self.object_name = f"{self.name}-replay"  # of what the operator makes for it
        document = {
            "apiVersion": "clickstream.dev/v1alpha1",
            "kind": "ClickReplay",
            "metadata": {"name": self.name, "namespace": NAMESPACE},
            "spec": {"pipeline": NAME, "where": f'letter.key == "{user}"'} | spec,
        }
        kube.apply([document])

    def complete(self) -> Document:
        """Wait for its end; return its status."""

        def look() -> Document | None:
            status: Document = self.kube.get("clickreplay", self.name, NAMESPACE)["status"]
            assert condition({"status": status}, "Complete")["status"] == "True", status
            return status

        found = eventually(f"replay {self.name} is Complete", look, 600)
        assert found is not None
        return found

    def pod(self) -> Document:
        """Return the pod that ran."""
        (pod,) = self.kube.items("pods", NAMESPACE, f"clickstream.dev/replay={self.name}")
        return pod

    def is_gone(self) -> bool:
        """Tell whether all that the operator made for it is gone."""
        gone = [self.kube.is_gone(kind, self.object_name, NAMESPACE) for kind in OBJECTS]
        return all(gone) and not self.kube.items("pods", NAMESPACE, f"clickstream.dev/replay={self.name}")


def insert(storefront: Storefront, user: str) -> None:
    """Put a user into the table, and wait until the pods know the profile."""
    row = f"('{user}', 'New', '{user}@example.com', 'US', 'premium')"
    sql(storefront.kube, f"INSERT INTO public.user_profiles VALUES {row}")  # noqa: S608
    eventually(f"{user} is known", lambda: storefront.metrics(user)[0]["status"] == 200)


def letters(storefront: Storefront, user: str, reason: str, pod: Document | None = None) -> list[str]:
    """Return where a user's clicks lay that are dead letters now, sorted, as a pod's API tells it."""
    address = (pod or storefront.pods()[0])["status"]["podIP"]
    url = f"http://{address}:8080/api/letters?reason={reason}&limit=100"
    answer = storefront.tester("get", url)["answers"][0]
    assert answer["status"] == 200, answer
    page = json.loads(answer["text"])["letters"]
    firsts = [each["first"] for each in page if each["key"] and each["key"]["data"] == user]
    return sorted(f"{first['topic']}-{first['partition']}-{first['offset']}" for first in firsts)


def indexed(storefront: Storefront, user: str) -> list[str]:
    """Return the ids of a user's documents, sorted."""
    return sorted(hit["_id"] for hit in storefront.documents(f"user_id:%22{user}%22"))


@pytest.fixture(scope="module")
def mistyped(storefront: Storefront) -> list[str]:
    """Send clicks whose times are texts. Return where they lie, once they are dead letters."""
    insert(storefront, MISTYPER)
    places = storefront.send(MISTYPER, CLICKS, "--time-as-text")
    eventually("they are dead letters", lambda: letters(storefront, MISTYPER, "mistyped-field") == places)
    return places


@pytest.fixture(scope="module")
def correction(storefront: Storefront, mistyped: list[str]) -> Replay:
    """Send them once more with numbers as times, and wait for the end."""
    replay = Replay(storefront.kube, "correct", MISTYPER, **CORRECTION)
    replay.complete()
    return replay


def test_every_pod_shows_the_dead_letters(storefront: Storefront, mistyped: list[str]) -> None:
    for pod in storefront.pods():
        assert letters(storefront, MISTYPER, "mistyped-field", pod) == mistyped
        page = storefront.tester("get", f"http://{pod['status']['podIP']}:8080/dead-letters")["answers"][0]
        assert page["status"] == 200
        assert page["headers"]["Content-Type"].startswith("text/html")


def test_a_dry_run_shows_the_corrected_clicks_and_sends_none(
    storefront: Storefront, mistyped: list[str]
) -> None:
    status = Replay(storefront.kube, "look", MISTYPER, **CORRECTION, dryRun=True).complete()
    assert (status["matched"], status["replayed"], status["failedAgain"]) == (CLICKS, 0, 0), status
    assert sorted(each["place"] for each in status["first"]) == mistyped
    sent = [json.loads(each["value"]) for each in status["first"]]
    assert all(isinstance(click["timestamp"], int) for click in sent), sent
    assert indexed(storefront, MISTYPER) == []


def test_corrected_clicks_are_indexed_once_under_their_first_event_id_and_counted(
    storefront: Storefront, mistyped: list[str], correction: Replay
) -> None:
    status = correction.complete()
    assert (status["matched"], status["replayed"], status["failedAgain"]) == (CLICKS, CLICKS, 0), status
    eventually("the clicks are in the index", lambda: indexed(storefront, MISTYPER) == mistyped)
    times = [hit["_source"]["timestamp"] for hit in storefront.documents(f"user_id:%22{MISTYPER}%22")]
    eventually("the clicks are counted", lambda: storefront.count(MISTYPER, max(times)) == CLICKS)
    assert letters(storefront, MISTYPER, "mistyped-field") == mistyped
    storefront.check()


def test_kubectl_shows_how_far_it_is(storefront: Storefront, correction: Replay) -> None:
    told = storefront.kube("get", "clickreplays", correction.name, "--namespace", NAMESPACE).splitlines()
    assert told[0].split() == ["NAME", "PIPELINE", "REPLAYED", "MATCHED", "PROGRESS", "COMPLETE", "AGE"]
    assert told[1].split()[:7] == [correction.name, NAME, str(CLICKS), str(CLICKS), "100", "%", "True"]


def test_its_pod_may_do_little(correction: Replay) -> None:
    """The namespace enforces the restricted standard, so running is proof of that."""
    pod = correction.pod()
    spec, (container,) = pod["spec"], pod["spec"]["containers"]
    assert pod["status"]["phase"] == "Succeeded"
    assert spec["automountServiceAccountToken"] is False
    assert not [volume for volume in spec["volumes"] if "projected" in volume]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }


def test_a_deleted_replay_takes_its_objects_along(storefront: Storefront, correction: Replay) -> None:
    assert not correction.is_gone()
    storefront.kube("delete", "clickreplay", correction.name, "--namespace", NAMESPACE, "--timeout=120s")
    eventually("Job, pod, ConfigMap and NetworkPolicy are gone", correction.is_gone)


def test_clicks_from_before_their_profile_are_enriched_once_it_is_there(storefront: Storefront) -> None:
    places = storefront.send(NEWCOMER, CLICKS)
    eventually("they are dead letters", lambda: letters(storefront, NEWCOMER, "unmatched") == places)
    insert(storefront, NEWCOMER)
    status = Replay(storefront.kube, "newcomer", NEWCOMER, reasons=["unmatched"]).complete()
    assert (status["matched"], status["replayed"], status["failedAgain"]) == (CLICKS, CLICKS, 0), status
    eventually("the clicks are in the index", lambda: indexed(storefront, NEWCOMER) == places)
    plans = {hit["_source"]["plan_tier"] for hit in storefront.documents(f"user_id:%22{NEWCOMER}%22")}
    assert plans == {"premium"}
    storefront.check()
