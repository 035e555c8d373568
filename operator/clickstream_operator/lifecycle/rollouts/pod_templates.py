"""Pod templates: the one the spec asks for, the stable one that is remembered, and which is next. Pure.

A template carries its own digest, so a pod says by its annotation which one it was made from. Its
settings are a key of the ConfigMap named for their hash: a pod that restarts in the middle of a
roll-out reads the settings of its own template, never newer ones.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from clickstream_operator.assignment.tasks import has_metrics, stages_of, task_names
from clickstream_operator.kube.kinds import Document
from clickstream_operator.lifecycle.rollouts.rollout import Next, PodSeen, RolloutMemory, Scene, next_step
from clickstream_operator.lifecycle.secret_state import secrets_hash
from clickstream_operator.manifests import names, settings, statefulset
from clickstream_operator.manifests.platform import Platform
from clickstream_operator.observed import Observed
from clickstream_operator.spec.clickpipeline import ClickPipeline

ROLLOUT_DEADLINE_S = 300.0
_WHY_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class Template:
    """A pod template with its digest, and the settings its pods read."""

    digest: str
    document: Document
    settings: str

    @property
    def settings_key(self) -> str:
        """Return the settings' key in the ConfigMap."""
        return settings.hashed_file(self.document["metadata"]["annotations"][names.SETTINGS_HASH])


@dataclass(frozen=True, slots=True)
class Rollout:
    """The next step of a roll-out, with what it needs to be rendered."""

    next: Next
    replicas: int
    template: Template
    settings: Mapping[str, str]  # keys of the ConfigMap that pods may read
    annotations: Mapping[str, str]  # of the StatefulSet


def plan_rollout(
    pipeline: ClickPipeline,
    platform: Platform,
    observed: Observed,
    replicas: int,
    deadline_s: float = ROLLOUT_DEADLINE_S,
) -> Rollout:
    """Return the next step; `replicas`: how many pods the StatefulSet is to have now."""
    live = observed.child("StatefulSet", names.names_of(pipeline).statefulset)
    wanted = wanted_template(pipeline, platform, observed, live)
    memory, stable = remembered(live)
    scene = _scene(pipeline, observed, live, wanted.digest, stable, replicas)
    step = next_step(scene, memory, deadline_s)
    known = {t.digest: t for t in (wanted, stable) if t}
    kept = {t.settings_key: t.settings for t in known.values() if t.digest in (wanted.digest, memory.stable)}
    return Rollout(step, replicas, known[step.template], kept, _annotations(step.memory, known))


def wanted_template(
    pipeline: ClickPipeline, platform: Platform, observed: Observed, live: Document | None
) -> Template:
    """Return the template the spec asks for."""
    document = settings.settings_document(pipeline)
    template: Document = statefulset.statefulset(pipeline, platform, secrets_hash(pipeline, observed, live))[
        "spec"
    ]["template"]
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:16]
    meta = template["metadata"]
    marked = {**meta, "annotations": {**meta["annotations"], names.TEMPLATE_HASH: digest}}
    return Template(digest, {**template, "metadata": marked}, settings.settings_text(document))


def remembered(live: Document | None) -> tuple[RolloutMemory, Template | None]:
    """Return what earlier looks wrote down; nothing when somebody has broken it."""
    annotations: Mapping[str, str] = (live or {}).get("metadata", {}).get("annotations") or {}
    try:
        kept = json.loads(annotations[names.ROLLOUT])
        stable = Template(kept["stable"], kept["template"], kept["settings"])
        _ = stable.settings_key
        memory = RolloutMemory(
            stable=stable.digest,
            pod=kept.get("pod"),
            coming=bool(kept.get("coming")),
            since_s=float(kept.get("since_s", 0)),
            lag_ms=int(kept.get("lag_ms", 0)),
            stopped=frozenset(str(name) for name in kept.get("stopped", [])),
            stops_s=float(kept.get("stops_s", 0)),
        )
        _ = has_metrics(json.loads(stable.settings))
    except (KeyError, TypeError, ValueError, AttributeError):
        return RolloutMemory(), None
    try:
        failed = json.loads(annotations[names.FAILED_ROLLOUT])
        failure = str(failed["template"]), str(failed["why"])
    except (KeyError, TypeError, ValueError):
        failure = "", ""
    return replace(memory, failed=failure[0], why=failure[1]), stable


def needs_pods(live: Document | None) -> bool:
    """Tell whether the next step depends on the pods, so that they are to be looked at."""
    if live is None:
        return False
    memory, _ = remembered(live)
    rolling = live["spec"].get("updateStrategy", {}).get("rollingUpdate", {}).get("partition", 0) != 0
    return rolling or memory.stable != template_of(live) or not _is_complete(live)


def template_of(document: Document) -> str:
    """Return the digest of a StatefulSet's template; empty for one that this operator did not mark."""
    annotations = document["spec"]["template"]["metadata"].get("annotations") or {}
    return str(annotations.get(names.TEMPLATE_HASH, ""))


def _scene(
    pipeline: ClickPipeline,
    observed: Observed,
    live: Document | None,
    wanted: str,
    stable: Template | None,
    replicas: int,
) -> Scene:
    if live is None:
        return Scene(wanted, "", 0, replicas, complete=False, now_s=observed.now_s)
    complete = _is_complete(live)
    stages = _stages_at_work(pipeline, None if complete and template_of(live) == wanted else stable)
    return Scene(
        wanted=wanted,
        template=template_of(live),
        partition=live["spec"].get("updateStrategy", {}).get("rollingUpdate", {}).get("partition", 0),
        replicas=replicas,
        complete=complete,
        now_s=observed.now_s,
        pods={ordinal: _pod_seen(observed, ordinal, pod) for ordinal, pod in observed.pod_objects.items()},
        whole=_is_whole(pipeline, observed, replicas, stages),
        lag_ms=_slowest_ms(observed),
    )


def _slowest_ms(observed: Observed) -> int | None:
    """Return the slowest running task's lag; None as soon as one is not known."""
    tasks = [task for held in observed.tasks().values() for task in held]
    owners = [t for t in tasks if t.role == "owner" and t.phase == "running"]
    lags = [t.lag_ms for t in owners if t.lag_ms is not None]
    return max(lags, default=0) if len(lags) == len(owners) else None


def _is_complete(live: Document) -> bool:
    status, replicas = live.get("status", {}), live["spec"]["replicas"]
    counts = [status.get(name, 0) for name in ("replicas", "readyReplicas", "updatedReplicas")]
    return bool(
        status.get("observedGeneration", 0) >= live["metadata"].get("generation", 0)
        and counts == [replicas] * 3
        and status.get("currentRevision") == status.get("updateRevision")
    )


def _stages_at_work(pipeline: ClickPipeline, before: Template | None) -> tuple[str, ...]:
    """Return the stages that the pods of both templates run; `before` None: there is one template.

    While a roll-out adds metrics, pods with the template before leave the tasks of metrics alone. Whoever
    waited for these tasks would never replace such a pod.
    """
    wanted = bool(pipeline.spec.processing.metrics)
    metrics = wanted and (before is None or has_metrics(json.loads(before.settings)))
    return stages_of(arrivals=pipeline.spec.topics.partitioner == "any", metrics=metrics)


def _is_whole(pipeline: ClickPipeline, observed: Observed, replicas: int, stages: tuple[str, ...]) -> bool:
    """Tell whether every task has its owner and standbys at work, so that one pod can be spared.

    A task that refuses to go on does not count: no waiting fixes it, but the roll-out may. One that did not
    before the roll-out counts against the new template, see rollout.
    """
    assignment = observed.assignment
    if assignment and (assignment.undrained or assignment.held or assignment.kafka):
        return False
    standbys = min(pipeline.spec.processors.standbys, replicas - 1)
    tasks = observed.tasks()
    for name in task_names(pipeline.spec.topics.partitions, stages):
        held = tasks.get(name, [])
        if any(t.phase == "stopped" for t in held):
            continue
        owned = any(t.role == "owner" and t.phase in ("running", "waiting") for t in held)
        if not owned or sum(t.role == "standby" and t.phase == "running" for t in held) < standbys:
            return False
    return True


def _pod_seen(observed: Observed, ordinal: int, pod: Document) -> PodSeen:
    meta, status = pod["metadata"], pod.get("status", {})
    leaving = bool(meta.get("deletionTimestamp"))
    ready = is_ready(pod)
    why = "" if ready else observed.redact(why_not_ready(status))[:_WHY_CHARACTERS]
    digest = str((meta.get("annotations") or {}).get(names.TEMPLATE_HASH, ""))
    said = observed.pods.get(ordinal)
    stopped = {
        name: observed.redact(task.detail)[:_WHY_CHARACTERS]
        for name, task in (said.tasks.items() if said and not leaving else ())
        if task.phase == "stopped"
    }
    return PodSeen(digest, ready and not leaving, leaving, why, stopped)


def is_ready(pod: Document) -> bool:
    """Tell whether the kubelet says that a pod is ready."""
    conditions = pod.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def why_not_ready(status: Mapping[str, Any]) -> str:
    """Return why a pod does not come up, as its status says."""
    for container in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
        for state in (container.get("lastState", {}), container.get("state", {})):
            if ended := state.get("terminated"):
                said = str(ended.get("message") or ended.get("reason") or "").strip()
                return f"{container['name']} ended with status {ended.get('exitCode')}: {said}".rstrip(": ")
        waiting = container.get("state", {}).get("waiting")
        if waiting and waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
            return f"{waiting['reason']}: {waiting.get('message', '')}".rstrip(": ")
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"{condition.get('reason', '')}: {condition.get('message', '')}"
    return ""


def _annotations(memory: RolloutMemory, known: Mapping[str, Template]) -> dict[str, str]:
    stable = known.get(memory.stable)
    if stable is None:
        return {}
    kept: Document = {"stable": stable.digest, "template": stable.document, "settings": stable.settings}
    if memory.pod is not None:
        kept |= {"pod": memory.pod, "coming": memory.coming, "since_s": round(memory.since_s, 1)}
    if memory.stopped:
        kept["stopped"] = sorted(memory.stopped)
    if memory.stops_s:
        kept["stops_s"] = round(memory.stops_s, 1)
    if memory.lag_ms:
        kept["lag_ms"] = memory.lag_ms
    found = {names.ROLLOUT: json.dumps(kept, sort_keys=True)}
    if memory.failed:
        found[names.FAILED_ROLLOUT] = json.dumps({"template": memory.failed, "why": memory.why})
    return found
