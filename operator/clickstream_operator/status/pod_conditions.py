"""The conditions of a pipeline's pods and volumes, each from what was observed. Pure."""

from collections import Counter

from clickstream_operator.condition import Condition, Truth, met, unmet
from clickstream_operator.lifecycle.decided import Decided
from clickstream_operator.lifecycle.rollouts.pod_templates import is_ready
from clickstream_operator.lifecycle.rollouts.rollout import RolloutPhase
from clickstream_operator.lifecycle.volumes import must_grow
from clickstream_operator.manifests import names
from clickstream_operator.observed import Observed
from clickstream_operator.spec.clickpipeline import ClickPipeline

SETTINGS_REFUSED = 2  # the exit status of a processor that cannot take its settings or a Secret
_WHY_CHARACTERS = 1500
NO_CLICKS = "NoClicks"  # what was known before still holds
_BY_KEY = ("wrong-partition", "null-key", "key-mismatch")  # reasons that a producer's settings make
_FEW = 10  # such clicks are no habit of a producer


def processors_ready(pipeline: ClickPipeline, observed: Observed) -> Condition:
    """Tell whether all pods are ready and on the newest revision."""
    kind = "ProcessorsReady"
    live = observed.child("StatefulSet", names.names_of(pipeline).statefulset)
    if live is None:
        return unmet(kind, "NotCreated", "The processors start once their Secrets and topics are there.")
    wanted, status = pipeline.spec.processors.replicas, live.get("status", {})
    if live["spec"]["replicas"] > wanted:
        leaving = live["spec"]["replicas"] - wanted
        message = f"{leaving} pods hand their tasks over and are removed then."
        return unmet(kind, "Draining", message)
    if refused := _settings_refused(observed):
        return unmet(kind, "SettingsRefused", refused, is_fatal=True)
    ready = status.get("readyReplicas", 0)
    if status.get("observedGeneration", 0) < live["metadata"].get("generation", 0):
        return unmet(kind, "Updating", "The StatefulSet's last change is not yet seen by its controller.")
    if ready < wanted:
        selector = f"{names.PIPELINE_LABEL}={pipeline.name}"
        message = f"{ready} of {wanted} pods are ready; see kubectl describe pods -l {selector}."
        return unmet(kind, "NotReady", message)
    if status.get("updatedReplicas", wanted) < wanted:
        return unmet(
            kind, "Rolling", f"{status.get('updatedReplicas', 0)} of {wanted} pods have the newest settings."
        )
    return met(kind, "Ready", f"All {wanted} pods are ready.")


def _settings_refused(observed: Observed) -> str:
    """Return the words of the first pod that ends at its start since it cannot take its settings."""
    for ordinal, pod in sorted(observed.pod_objects.items()):
        if is_ready(pod):
            continue
        for container in pod.get("status", {}).get("containerStatuses", []):
            for state in (container.get("state", {}), container.get("lastState", {})):
                ended = state.get("terminated") or {}
                if ended.get("exitCode") == SETTINGS_REFUSED:
                    said = observed.redact(str(ended.get("message") or "see its log").strip())
                    return f"Pod {ordinal} cannot take its settings: {said[:_WHY_CHARACTERS]}"
    return ""


def rolled_out(pipeline: ClickPipeline, observed: Observed, decided: Decided) -> Condition:
    """Tell whether every pod has the newest template, or what became of it."""
    kind, step, own = "RolledOut", decided.rollout, names.names_of(pipeline)
    if step is None or step.phase is RolloutPhase.DONE:
        return met(kind, RolloutPhase.DONE, "Every pod runs the newest image, settings and Secrets.")
    pod = f"pod {own.statefulset}-{step.pod}"
    if step.phase is RolloutPhase.STARTING:
        return unmet(kind, step.phase, "The pods start for the first time.")
    if step.phase is RolloutPhase.ROLLING:
        turn = "" if step.pod is None else f"; it is the turn of {pod}"
        return unmet(kind, step.phase, f"The pods are replaced one by one{turn}.")
    if step.phase is RolloutPhase.WAITING:
        message = f"Before {pod} is replaced, all other pods must be ready and every task caught up."
        return unmet(kind, step.phase, message)
    if step.phase is RolloutPhase.STUCK:
        message = (
            f"{pod} does not become ready, though another pod with the same template did: "
            f"see kubectl describe pod {own.statefulset}-{step.pod} -n {pipeline.namespace}."
        )
        return unmet(kind, step.phase, message)
    why = observed.redact(step.memory.why)
    if step.phase is RolloutPhase.ROLLING_BACK:
        return unmet(kind, step.phase, f"The pods go back to the last template that all ran with: {why}.")
    message = (
        f"All pods run the last template that they ran well with, for the newest one failed: {why}. "
        "Change the spec, or the Secret; to try the same again: kubectl annotate statefulset "
        f"{own.statefulset} -n {pipeline.namespace} {names.FAILED_ROLLOUT}-"
    )
    return unmet(kind, step.phase, message, is_fatal=True)


def volumes_resized(pipeline: ClickPipeline, observed: Observed, decided: Decided) -> Condition:
    """Tell whether the volumes have the size that the spec asks for, as far as claims say."""
    kind, size = "VolumesResized", pipeline.spec.processors.storage.size
    if decided.claims_refused:
        message = (
            f"The volumes cannot grow to {size}: {decided.claims_refused}. "
            "A new pipeline of another class can have it."
        )
        return unmet(kind, "Refused", message)
    if must_grow(pipeline, observed.child("StatefulSet", names.names_of(pipeline).statefulset)):
        return unmet(kind, "Growing", f"The volumes grow to {size}.")
    return met(kind, "AsAsked", f"Every new volume has {size}, and those there are were asked to.")


def volumes_reachable(pipeline: ClickPipeline, decided: Decided) -> Condition:
    """Tell whether every pod that waits for a node may still get one."""
    kind, namespace = "VolumesReachable", pipeline.namespace
    gone = [lost for lost in decided.lost if not lost.node]
    if gone and pipeline.spec.processors.storage.recreate_lost:
        return unmet(kind, "Recreating", f"{gone[0].claim} is deleted and {gone[0].name} is rebuilt.")
    if gone:
        message = (
            f"No node reaches the volume of {', '.join(lost.name for lost in gone)}. When its node is gone "
            "for good, let the pod be rebuilt from the changelog: set processors.storage.recreateLost, or "
            f"kubectl delete pvc/{gone[0].claim} pod/{gone[0].name} -n {namespace}"
        )
        return unmet(kind, "VolumeLost", message, is_fatal=True)
    if decided.lost:
        silent = decided.lost[0]
        message = (
            f"{silent.name} should have ended, and its node {silent.node} does not say so. When that node is "
            f"gone for good: kubectl delete node {silent.node}"
        )
        return unmet(kind, "NodeSilent", message, is_fatal=True)
    return met(kind, "Reachable", "No pod waits for a volume that no node reaches.")


def clicks_taken(observed: Observed) -> Condition:
    """Tell whether most clicks of the last seconds were where their key and partition should be.

    It goes by what the pods say of their last seconds and, for the reason, of their whole life.
    """
    kind, pods = "ClicksTaken", observed.pods.values()
    clicks_s, refused_s = sum(pod.clicks_s for pod in pods), sum(pod.refused_s for pod in pods)
    if clicks_s <= 0:
        return Condition(kind, Truth.UNKNOWN, NO_CLICKS, "Known once clicks come.", is_needed=False)
    letters = sum((Counter(pod.dead_lettered) for pod in pods), Counter[str]())
    by_key = {why: letters[why] for why in _BY_KEY}
    count = sum(by_key.values())
    if count < _FEW or 2 * count <= letters.total() or 2 * refused_s <= clicks_s:
        return met(kind, "Taken", "Most clicks have the key and the partition of their user.")
    why = max(by_key, key=lambda each: by_key[each])
    message = (
        f"Most clicks become dead letters ({why}). Either let the producers set the key to user_id and use "
        "Kafka's murmur2 partitioner: partitioner=murmur2_random for librdkafka, whose default is CRC32; "
        "Partitioners.DefaultPartitioner for kafkajs, whose LegacyPartitioner is another hash; for others "
        "see docs/how-to/send-clicks.md. Or make a new pipeline with topics.partitioner: any, which takes "
        "any key and partitioner."
    )
    if why == "wrong-partition":
        return unmet(kind, "WrongPartition", message)
    return unmet(kind, "WrongKey", message)
