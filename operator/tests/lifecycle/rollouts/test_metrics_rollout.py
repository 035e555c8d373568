"""Metrics that come and go while the pipeline runs: roll-outs go on, the controller stays, all is told."""

import copy
from typing import Any

import pytest
from clickstream_operator.assignment.tasks import task_names
from clickstream_operator.kube.kinds import Document
from clickstream_operator.lifecycle.desired import may_assign
from clickstream_operator.lifecycle.rollouts.pod_templates import Rollout, plan_rollout, template_of
from clickstream_operator.lifecycle.rollouts.rollout import RolloutPhase
from clickstream_operator.manifests import names
from clickstream_operator.manifests.platform import Platform
from clickstream_operator.manifests.topics import topic_specs
from clickstream_operator.observed import Observed, PodState, SecretState, TaskState
from clickstream_operator.spec.clickpipeline import ClickPipeline, parse
from clickstream_operator.status.conditions import state_restored
from operator_support.documents import changed
from operator_support.example_pipelines import PLATFORM, everything
from operator_support.metric_documents import metric, metrics

PLAIN = parse(changed(metrics()))
WITH_METRICS = parse(changed(metrics(metric())))
OTHER_IMAGE = Platform("registry.example.com/clickstream/processor:1.2.4")
STATEFULSET = ("StatefulSet", "storefront-processor")
CLICKS, BOTH = ("clicks",), ("clicks", "metrics")


def pods(stages: tuple[str, ...]) -> dict[int, PodState]:
    """Return what three pods say that hold all tasks of these stages, owners and standbys."""
    found: dict[int, dict[str, TaskState]] = {0: {}, 1: {}, 2: {}}
    for place, name in enumerate(task_names(12, stages)):
        owner, standby = place % 3, (place + 1) % 3
        found[owner][name] = TaskState(owner, "owner", "running")
        found[standby][name] = TaskState(standby, "standby", "running")
    return {ordinal: PodState(ordinal, True, "", tasks) for ordinal, tasks in found.items()}


class Running:
    """A StatefulSet of three pods, and what the operator makes of it."""

    def __init__(self, pipeline: ClickPipeline, stages: tuple[str, ...]) -> None:
        """Run it as it has always been."""
        found = next(w for w in everything(pipeline) if w.kind.kind == "StatefulSet").document
        self.live: Document = copy.deepcopy(found)
        self.live["metadata"] |= {"generation": 1, "annotations": {}}
        self.digests = [template_of(self.live)] * 3
        self._tell()
        assert self.step(pipeline, stages).next.phase is RolloutPhase.DONE

    def step(
        self, pipeline: ClickPipeline, stages: tuple[str, ...], platform: Platform = PLATFORM
    ) -> Rollout:
        """Plan, and write the StatefulSet."""
        step = plan_rollout(pipeline, platform, self.observed(stages), 3)
        self.live["metadata"]["annotations"] = dict(step.annotations)
        self.live["spec"]["template"] = step.template.document
        self.live["spec"]["updateStrategy"]["rollingUpdate"]["partition"] = step.next.partition
        self._tell()
        return step

    def replace_pods(self) -> None:
        """Do what the StatefulSet's controller does."""
        partition = self.live["spec"]["updateStrategy"]["rollingUpdate"]["partition"]
        self.digests[partition:] = [template_of(self.live)] * (3 - partition)
        self._tell()

    def observed(self, stages: tuple[str, ...]) -> Observed:
        ready = {"conditions": [{"type": "Ready", "status": "True"}]}
        objects: dict[int, Any] = {
            ordinal: {"metadata": {"annotations": {names.TEMPLATE_HASH: digest}}, "status": ready}
            for ordinal, digest in enumerate(self.digests)
        }
        return Observed(children={STATEFULSET: self.live}, pods=pods(stages), pod_objects=objects)

    def _tell(self) -> None:
        updated = self.digests.count(template_of(self.live))
        self.live["status"] = {
            "observedGeneration": 1,
            "replicas": 3,
            "readyReplicas": 3,
            "updatedReplicas": updated,
            "currentRevision": self.digests[0],
            "updateRevision": template_of(self.live),
        }


def test_a_roll_out_that_adds_metrics_does_not_wait_for_tasks_that_the_old_pods_leave_alone() -> None:
    running = Running(PLAIN, CLICKS)
    partitions = []
    for _ in range(4):
        partitions.append(running.step(WITH_METRICS, CLICKS).next.partition)
        running.replace_pods()
    assert partitions == [3, 2, 1, 0]


def test_a_roll_out_that_adds_metrics_is_done_when_their_tasks_are_at_work() -> None:
    running = Running(PLAIN, CLICKS)
    for _ in range(4):
        running.step(WITH_METRICS, CLICKS)
        running.replace_pods()
    assert running.step(WITH_METRICS, CLICKS).next.phase is RolloutPhase.ROLLING
    assert running.step(WITH_METRICS, BOTH).next.phase is RolloutPhase.DONE


def test_a_roll_out_that_removes_metrics_goes_through() -> None:
    running = Running(WITH_METRICS, BOTH)
    phases = []
    for stages in (BOTH, BOTH, CLICKS, CLICKS, CLICKS):
        phases.append(running.step(PLAIN, stages).next.phase)
        running.replace_pods()
    assert phases == [RolloutPhase.ROLLING] * 4 + [RolloutPhase.DONE]


def test_any_other_roll_out_waits_for_the_tasks_of_metrics() -> None:
    running = Running(WITH_METRICS, BOTH)
    running.step(WITH_METRICS, CLICKS, OTHER_IMAGE)
    assert running.step(WITH_METRICS, CLICKS, OTHER_IMAGE).next.phase is RolloutPhase.WAITING
    assert running.step(WITH_METRICS, BOTH, OTHER_IMAGE).next.partition == 2


@pytest.mark.parametrize(
    ("pipeline", "stages", "reason", "words"),
    [
        (WITH_METRICS, BOTH, "Restored", "All 24 tasks"),
        (WITH_METRICS, CLICKS, "Unowned", "12 of 24 tasks have no owner yet"),
        (PLAIN, BOTH, "Restored", "All 12 tasks"),
    ],
)
def test_condition_counts_the_tasks_that_the_spec_asks_for(
    pipeline: ClickPipeline, stages: tuple[str, ...], reason: str, words: str
) -> None:
    told = state_restored(pipeline, Observed(pods=pods(stages)))
    assert (told.reason, words in told.message) == (reason, True)


def test_condition_does_not_take_the_task_of_a_removed_metric_for_one_that_lacks_its_owner() -> None:
    seen = pods(BOTH)
    del seen[0].tasks["clicks-0"]  # type: ignore[attr-defined]
    told = state_restored(PLAIN, Observed(pods=seen))
    assert (told.reason, "1 of 12 tasks" in told.message) == ("Unowned", True)


def test_controller_is_started_while_a_metrics_topic_is_not_ready() -> None:
    """It alone gives a dead pod's tasks away: a new leader must not wait for what Strimzi cannot make."""
    ready = {"metadata": {}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    there: dict[tuple[str, str], Any] = {
        ("KafkaTopic", names.topic_object(topic.name)): ready for topic in topic_specs(PLAIN)
    }
    found = {"postgres-credentials": SecretState(frozenset({"username", "password"}), "x")}
    asked = parse(changed(metrics(metric(topic="views"))))
    assert may_assign(asked, Observed(strimzi_version="v1", secrets=found, children=there))
    del there["KafkaTopic", "shop.storefront-acks"]
    assert not may_assign(asked, Observed(strimzi_version="v1", secrets=found, children=there))
