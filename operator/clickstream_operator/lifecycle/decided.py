"""What follows from what was seen: decided once a look, then read by what acts and what tells. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from clickstream_operator.kube.kinds import Document, Kind
from clickstream_operator.lifecycle.collecting import collector_leftovers
from clickstream_operator.lifecycle.connector_failures import Failure, failures_of
from clickstream_operator.lifecycle.desired import desired_objects, pods_to_run
from clickstream_operator.lifecycle.plan import Step, plan
from clickstream_operator.lifecycle.rollouts.autoscaling import autoscaling_of
from clickstream_operator.lifecycle.rollouts.lost_pods import LOST_S, Lost, lost_pods
from clickstream_operator.lifecycle.rollouts.pod_templates import ROLLOUT_DEADLINE_S, plan_rollout
from clickstream_operator.lifecycle.rollouts.rollout import Next
from clickstream_operator.lifecycle.sinks_gone import sink_leftovers
from clickstream_operator.manifests.platform import Platform
from clickstream_operator.observed import Observed
from clickstream_operator.spec.clickpipeline import ClickPipeline


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long pods may take, seconds."""

    rollout_s: float = ROLLOUT_DEADLINE_S  # until a pod with a new template is ready
    lost_s: float = LOST_S  # until a pod without a node is said to be lost


@dataclass(frozen=True, slots=True)
class Decided:
    """The decisions of one look."""

    steps: Sequence[Step] = ()  # what to apply, in order
    rollout: Next | None = None  # the roll-out's next step; None: there is no StatefulSet to speak of
    autoscaling: Document = field(default_factory=dict)  # the status' part; empty: not asked for
    lost: Sequence[Lost] = ()  # pods that do not come back by themselves
    failures: Sequence[Failure] = ()  # connectors that fail
    leftovers: Sequence[tuple[Kind, Document]] = ()  # of collector and sinks: to remove
    has_collector_image: bool = True
    claims_refused: str = ""  # why a claim could not be made larger, once that was tried


def decide(
    pipeline: ClickPipeline, document: Document, platform: Platform, observed: Observed, deadlines: Deadlines
) -> Decided:
    """Return what to do for a pipeline, and what is to be told. `document`: with its last status."""
    replicas = pods_to_run(pipeline, observed)
    rollout = plan_rollout(pipeline, platform, observed, replicas, deadlines.rollout_s)
    wanted = desired_objects(pipeline, document["metadata"]["uid"], platform, observed, rollout)
    return Decided(
        steps=plan(wanted, observed),
        rollout=rollout.next,
        autoscaling=autoscaling_of(pipeline, observed, rollout.next, document),
        lost=lost_pods(observed.pod_objects, observed.now_s, deadlines.lost_s),
        failures=failures_of(document, observed),
        leftovers=[*collector_leftovers(pipeline, observed), *sink_leftovers(pipeline, observed)],
        has_collector_image=bool(platform.collector_image),
    )
