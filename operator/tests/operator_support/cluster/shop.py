"""One pipeline under load: real API server, StatefulSet controller, operator, Kafka and processor processes.

Clicks flow all the time, and the fault suite's checker, which shares no code with the product, compares
what comes out with what must. Only the kubelet and Strimzi are stood in for.
"""

import base64
import json
import time
import urllib.request
from pathlib import Path
from typing import Any

from clickstream_chaos.checking.auditor import Auditor
from clickstream_chaos.checking.checker import Checker, Topic
from clickstream_chaos.load.load import Load
from clickstream_chaos.pipeline import Pipeline, Shape
from clickstream_chaos.suite import PROFILES
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.eventually import eventually

from operator_support.cluster.kubelet import Kubelet
from operator_support.cluster.world import OperatorProcess, World, path_of

NAMESPACE, NAME = "shop", "storefront"
GOOD, NEWER, BROKEN = (f"registry.test/processor:{tag}" for tag in ("1", "2", "broken"))
# Both start; the pods of one stop their tasks, those of the other cannot take their settings.
STOPPING, REFUSING = (f"registry.test/processor:{tag}" for tag in ("stopping", "refusing"))
PARTITIONS = 6
STATEFULSET = f"/apis/apps/v1/namespaces/{NAMESPACE}/statefulsets/{NAME}-processor"


class Shop:
    """The pipeline, its load and its checker; the operator may come and go."""

    def __init__(self, world: World, kafka: Kafka, folder: Path) -> None:
        self.world, self.plane = world, world.plane
        self._kafka = kafka
        # Of the fault suite's pipeline only the topics are used: names, partitions, options.
        self._topics = Pipeline(folder / "topics", kafka.bootstrap, NAME, Shape(partitions=PARTITIONS))
        topic = self._topics.topic
        self.kubelet = Kubelet(world.plane, NAMESPACE, folder, {GOOD, NEWER, STOPPING, REFUSING})
        self.kubelet.strange[STOPPING] = {"window": {"size": "120s", "grace": "10s", "retention": "24h"}}
        self.kubelet.strange[REFUSING] = {"filter": "click.no such expression"}
        self.load = Load(kafka.bootstrap, topic("clicks"), topic("profiles"), rate=150, seed=6)
        self.auditor = Auditor(self.kubelet.query_port, self.kubelet.running, seed=6)
        self.operator: OperatorProcess | None = None

    def start(self, pods: int) -> None:
        """Start everything, and let clicks flow once every task runs."""
        self._topics.create_topics()
        self.load.send_profiles()
        self.world.namespace(NAMESPACE)
        self.kubelet.start()
        self.start_operator()
        self.world.create(NAMESPACE, NAME, **self._spec(pods))
        self.wait_until_running(pods)
        topics = {name: self._topics.topic(name) for name in ("clicks", "enriched", "metrics", "dead")}
        self.checker = Checker(self._kafka.bootstrap, topics, PARTITIONS, PROFILES, 60_000, 10_000)
        self.auditor.start()
        self.load.start()

    def close(self) -> None:
        """Stop everything."""
        if self.auditor.answers or self.auditor.refused:
            self.auditor.stop()
        self.kubelet.close()

    def start_operator(self, image: str = GOOD, deadline_s: int = 240) -> OperatorProcess:
        """Start an operator that runs pods of an image."""
        self.operator = self.world.operator(
            CLICKSTREAM_CONTROLLERS="on",
            CLICKSTREAM_POD_URL=self.kubelet.pod_url,
            CLICKSTREAM_PROCESSOR_IMAGE=image,
            CLICKSTREAM_ROLLOUT_DEADLINE_SECONDS=str(deadline_s),
            CLICKSTREAM_LOST_SECONDS="5",
            CLICKSTREAM_RESYNC_SECONDS="5",
        )
        return self.operator

    def change_operator(self, image: str, deadline_s: int = 240) -> None:
        """Replace the operator, as an upgrade does."""
        assert self.operator
        self.operator.terminate()
        self.start_operator(image, deadline_s)

    def condition(self, kind: str) -> dict[str, Any]:
        """Return a condition of the pipeline."""
        return self.world.condition(NAMESPACE, kind)

    def rolled_out(self) -> bool:
        """Tell whether every pod has the template of the present spec."""
        found, generation = self.condition("RolledOut"), self.pipeline()["metadata"]["generation"]
        return found.get("status") == "True" and found["observedGeneration"] == generation

    def pipeline(self) -> Any:
        """Return the ClickPipeline."""
        return self.plane.get(path_of(NAMESPACE))

    def statefulset(self) -> Any:
        """Return the StatefulSet."""
        return self.plane.get(STATEFULSET)

    def uids(self) -> dict[int, str]:
        """Return the pods' uids by ordinal."""
        return {ordinal: pod["metadata"]["uid"] for ordinal, pod in self.kubelet.pods().items()}

    def tasks(self, ordinal: int) -> dict[str, Any]:
        """Return a pod's tasks as it says."""
        path = f"/api/v1/namespaces/{NAMESPACE}/secrets/{NAME}-peer-key"
        key = base64.b64decode(self.plane.get(path)["data"]["key"]).decode()
        url = f"{self.kubelet.pod_url.format(ordinal=ordinal)}/status"
        asked = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})  # noqa: S310
        with urllib.request.urlopen(asked, timeout=10) as answer:  # noqa: S310
            return dict(json.load(answer)["tasks"])

    def owners(self) -> dict[str, int]:
        """Return task -> pod of the tasks that run as owners."""
        return {
            name: ordinal
            for ordinal in self.kubelet.running()
            for name, task in self.tasks(ordinal).items()
            if task["role"] == "owner" and task["phase"] == "running"
        }

    def wait_until_running(self, pods: int) -> None:
        """Wait until so many pods share all tasks."""

        def shared() -> bool:
            owners = self.owners()
            return len(owners) == PARTITIONS and set(owners.values()) == set(range(pods))

        eventually(shared, f"{pods} pods own all tasks")

    def assignments(self) -> list[tuple[str, dict[str, Any]]]:
        """Return every assignment record so far, in order."""
        reader = Topic(self._kafka.bootstrap, self._topics.topic("assignment"), 1)
        records = [((m.key() or b"").decode(), json.loads(m.value() or b"{}")) for m in reader.read()]
        return [(key, value) for key, value in records if key.startswith("task/")]

    def assignment(self) -> dict[str, dict[str, Any]]:
        """Return the assignment as it is."""
        return dict(self.assignments())

    def check(self) -> None:
        """Fail when anything has come out twice or wrong."""
        verdict = self.checker.check()
        assert not verdict.wrong(), verdict.examples
        assert self.auditor.contradictions == []

    def finish(self) -> None:
        """End the load; fail unless every click has come out once, and every pod answers so."""
        self.load.stop()
        deadline_s = time.monotonic() + 300
        while not (verdict := self.checker.check()).complete() and not verdict.wrong():
            assert time.monotonic() < deadline_s, verdict.examples
            time.sleep(0.5)
        assert verdict.complete(), verdict.examples
        self.auditor.stop()
        assert self.auditor.compare(self.checker.counts()) == []

    def _spec(self, pods: int) -> dict[str, Any]:
        topic = self._topics.topic
        names = ("clicks", "profiles", "enriched", "metrics")
        return {
            "id": self._topics.id,
            "kafka": {"bootstrapServers": self._kafka.bootstrap, "cluster": "events"},
            "topics": {"partitions": PARTITIONS, "replicas": 1, "deadLetters": topic("dead")}
            | {name: topic(name) for name in names},
            "processing": {
                "filter": 'click.action != "heartbeat"',
                "join": {"waitForSnapshot": False},
                "window": {"size": "60s", "grace": "10s", "retention": "24h"},
            },
            # A restart on a busy machine takes long; nothing shall move for it.
            "processors": {
                "replicas": pods,
                "failoverAfter": "60s",
                "resources": {"requests": {"memory": "512Mi"}, "limits": {"memory": "512Mi"}},
            },
        }
