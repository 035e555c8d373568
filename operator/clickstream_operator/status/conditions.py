"""The conditions of a pipeline, each from what was observed and decided. Pure.

A message says what is so and what to do about it. A condition that cannot be known yet is Unknown;
nothing is True because nobody looked.
"""

from clickstream_operator.assignment.tasks import CLICKS, tasks_of
from clickstream_operator.condition import Condition, met, unknown, unmet
from clickstream_operator.kube.kinds import Document
from clickstream_operator.lifecycle.decided import Decided
from clickstream_operator.lifecycle.secret_state import missing_secrets
from clickstream_operator.manifests import names, topics
from clickstream_operator.observed import Observed, TaskState, condition
from clickstream_operator.source.verdict import source_ready
from clickstream_operator.spec.clickpipeline import ClickPipeline
from clickstream_operator.status.collector_conditions import of_collector
from clickstream_operator.status.connector_conditions import connectors_ready, no_strimzi
from clickstream_operator.status.pod_conditions import (
    clicks_taken,
    processors_ready,
    rolled_out,
    volumes_reachable,
    volumes_resized,
)

_SHOWN = 5
STANDING_MS = 30_000  # a commit that waits for a broker may take as long


def conditions_of(pipeline: ClickPipeline, observed: Observed, decided: Decided) -> list[Condition]:
    """Return the conditions of the parts, in the order in which a pipeline starts."""
    return [
        secrets_resolved(pipeline, observed),
        topics_are_ready(pipeline, observed),
        source_ready(pipeline, observed),
        connectors_ready(pipeline, observed, decided.failures),
        processors_ready(pipeline, observed),
        rolled_out(pipeline, observed, decided),
        profiles_loaded(pipeline, observed),
        state_restored(pipeline, observed),
        index_ready(pipeline, observed),
        volumes_resized(pipeline, observed, decided),
        volumes_reachable(pipeline, decided),
        clicks_taken(observed),
        *of_collector(pipeline, decided, observed),
    ]


def secrets_resolved(pipeline: ClickPipeline, observed: Observed) -> Condition:
    """Tell whether every Secret is there and those for Connect may be read by it."""
    missing = missing_secrets(pipeline, observed)
    if missing:
        listed = ", ".join(f"{name} key {key}" if key else name for name, key in missing)
        return unmet("SecretsResolved", "Missing", f"Create in namespace {pipeline.namespace}: {listed}.")
    if observed.denied:
        return unmet("SecretsResolved", "ConnectMayNotRead", _role_message(pipeline, observed.denied))
    return met("SecretsResolved", "AllFound", "Every Secret is there, and Connect may read those it needs.")


def topics_are_ready(pipeline: ClickPipeline, observed: Observed) -> Condition:
    """Tell whether the topics are there and fit."""
    kind = "TopicsReady"
    if not pipeline.spec.topics.manage:
        return met(kind, "Unmanaged", "topics.manage is false: the topics are taken as they are.")
    if observed.strimzi_version is None:
        return no_strimzi(kind)
    waiting = []
    for topic in topics.topic_specs(pipeline):
        name = names.topic_object(topic.name)
        foreign = observed.foreign.get(("KafkaTopic", name))
        live = observed.child("KafkaTopic", name) or foreign
        if foreign and (differs := _partitions_differ(pipeline, topic, foreign)):
            return unmet(kind, "PartitionsDiffer", f"KafkaTopic {name} {differs}", is_fatal=True)
        ready = condition(live, "Ready")
        if ready.get("status") == "False":
            return unmet(
                kind, "TopicFailed", f"KafkaTopic {name}: {observed.redact(ready.get('message', ''))}"
            )
        if ready.get("status") != "True":
            waiting.append(name)
    if waiting:
        return unmet(kind, "Waiting", f"Waiting for Strimzi to create {_some(waiting)}.")
    return met(kind, "Created", "Every topic is there.")


def topics_fit(observed: Observed) -> Condition:
    """Tell whether the topics' options fit the pipeline, as the pods read them; no part of Ready."""
    kind = "TopicsFit"
    if not observed.pods:
        return unknown(kind, "NoPodAnswers", "Known once a processor pod answers.")
    found = sorted({finding for pod in observed.pods.values() for finding in pod.topic_findings})
    if not found:
        return met(kind, "Fit", "Size, time and retention limits of every topic fit.")
    return unmet(kind, "OptionsDiffer", observed.redact("\n".join(found)))


def profiles_loaded(pipeline: ClickPipeline, observed: Observed) -> Condition:
    """Tell whether the profiles that the first click waits for are there, as the tasks see it."""
    kind = "ProfilesLoaded"
    if pipeline.spec.source is None:
        return met(kind, "NoSource", "There is no source: clicks go on without profiles.")
    if not pipeline.spec.processing.join.wait_for_snapshot:
        return met(kind, "NotAwaited", "processing.join.waitForSnapshot is false.")
    topic, least = pipeline.spec.topics.profiles, pipeline.at_least
    if not pipeline.has_table and not least:
        return met(
            kind, "NotAwaited", "source says no atLeast: clicks are joined with the profiles that are there."
        )
    # Tasks of other stages do not wait for it, and tell nothing of it.
    owners = {name: task for name, task in _owners(observed).items() if name.startswith(f"{CLICKS}-")}
    if not owners:
        return unknown(kind, "NoPodAnswers", "Known once a processor pod answers.")
    waiting = [name for name, task in owners.items() if task.phase == "waiting"]
    if waiting:
        held = f"{len(waiting)} tasks hold their first click until"
        if not pipeline.has_table:
            return unmet(kind, "TooFew", f"{held} {topic} holds {least} records (source: atLeast).")
        return unmet(kind, "Snapshot", f"{held} the profile table's snapshot is complete.")
    if any(task.phase == "running" for task in owners.values()):
        if not pipeline.has_table:
            return met(kind, "Enough", f"{topic} has held the {least} records that clicks wait for.")
        return met(kind, "Complete", "The profile table's first snapshot is complete.")
    return unknown(kind, "Restoring", "Known once the first task has restored its state.")


def state_restored(pipeline: ClickPipeline, observed: Observed) -> Condition:
    """Tell whether every task has an owner that is past its restore."""
    kind = "StateRestored"
    wanted, assignment = tasks_of(pipeline), observed.assignment
    if assignment and assignment.problem:
        return unmet(kind, "NotAssigned", observed.redact(assignment.problem), is_fatal=True)
    if assignment and assignment.kafka:
        why = observed.redact(assignment.kafka)
        return unmet(kind, "KafkaUnreachable", f"The controller cannot use Kafka: {why}")
    if assignment and assignment.held:
        message = "More than half of the pods look dead: nothing is moved until some come back."
        return unmet(kind, "Held", message)
    if not observed.pods:
        return unknown(kind, "NoPodAnswers", "Known once a processor pod answers.")
    stopped = {n: t for n, held in observed.tasks().items() for t in held if t.phase == "stopped"}
    if stopped:
        name, task = min(stopped.items())
        message = (
            f"{len(stopped)} tasks refuse to go on; {name} on pod {task.pod}: {observed.redact(task.detail)}"
        )
        return unmet(kind, "TaskStopped", message, is_fatal=True)
    owners = {name: task for name, task in _owners(observed).items() if name in wanted}
    if len(owners) < len(wanted):
        lacking = len(wanted) - len(owners)
        return unmet(kind, "Unowned", f"{lacking} of {len(wanted)} tasks have no owner yet.")
    restoring = [name for name, task in owners.items() if task.phase == "restoring"]
    if restoring:
        return unmet(kind, "Restoring", f"{len(restoring)} of {len(wanted)} tasks restore their state.")
    standing = {n: t for n, t in owners.items() if t.phase == "running" and t.standing_ms >= STANDING_MS}
    if standing:
        name, task = max(standing.items(), key=lambda each: each[1].standing_ms)
        message = (
            f"Clicks wait and nothing is committed: {len(standing)} of {len(wanted)} tasks; "
            f"{name} on pod {task.pod}: {observed.redact(task.detail.partition(': ')[2])}"
        )
        return unmet(kind, "NoCommits", message)
    return met(kind, "Restored", f"All {len(wanted)} tasks have an owner with its state.")


def index_ready(pipeline: ClickPipeline, observed: Observed) -> Condition:
    """Tell whether the index template is in place, which the search sink waits for."""
    if pipeline.search is None:
        return met("IndexReady", "NoSearch", "The pipeline has no sink.search.")
    if not observed.pods:
        return unknown("IndexReady", "NoPodAnswers", "Known once a processor pod answers.")
    if observed.index_ready():
        return met("IndexReady", "TemplateInPlace", "The index template is in place.")
    details = {pod.index_detail for pod in observed.pods.values() if pod.index_detail}
    why = (
        observed.redact("; ".join(sorted(details))) or "the processors have not reached the search engine yet"
    )
    return unmet("IndexReady", "NoTemplate", f"The index template is not in place: {why}.")


def lag(observed: Observed) -> str:
    """Return how far the slowest owner is behind, coarsely, so that the status seldom changes."""
    owners = _owners(observed)
    if not owners:
        return ""
    lags = [task.lag_ms for task in owners.values() if task.lag_ms is not None]
    if len(lags) < len(owners):
        return "unknown"
    seconds = max(lags) / 1000
    steps = [(1, "<1s"), (10, "<10s"), (60, "<1m"), (600, "<10m"), (3600, "<1h"), (86_400, "<1d")]
    return next((text for limit, text in steps if seconds < limit), ">1d")


def _partitions_differ(pipeline: ClickPipeline, topic: topics.TopicSpec, foreign: Document) -> str:
    """Return what to do about somebody else's topic; empty when it fits. Outputs may have more partitions."""
    given, names_given = foreign.get("spec", {}).get("partitions"), pipeline.spec.topics
    of_metrics = [metric.topic for metric in pipeline.spec.processing.metrics]
    sessions = pipeline.spec.processing.sessions
    outputs = (names_given.enriched, names_given.metrics, names_given.dead_letters, *of_metrics)
    outputs = (*outputs, sessions.topic) if sessions is not None else outputs
    is_output = topic.name in outputs
    if given == topic.partitions or (is_output and isinstance(given, int) and given > topic.partitions):
        return ""
    found = f"is somebody else's and has {given} partitions, not {topic.partitions}"
    if is_output:
        return f"{found}: set its spec.partitions to {topic.partitions} or more, or choose another topic."
    return f"{found}: set topics.partitions to that number in a new pipeline, or choose another topic."


def _owners(observed: Observed) -> dict[str, TaskState]:
    held = {
        name: [task for task in tasks if task.role == "owner"] for name, tasks in observed.tasks().items()
    }
    return {name: owners[0] for name, owners in held.items() if owners}


def _role_message(pipeline: ClickPipeline, denied: tuple[str, ...]) -> str:
    connect, namespace = pipeline.connect.cluster, pipeline.namespace
    role = f"{pipeline.name}-connect-secrets"
    return (
        f"KafkaConnect {connect} may not read {', '.join(denied)}. If it should, apply:\n"
        "apiVersion: rbac.authorization.k8s.io/v1\n"
        "kind: Role\n"
        f"metadata: {{name: {role}, namespace: {namespace}}}\n"
        'rules: [{apiGroups: [""], resources: [secrets], verbs: [get], '
        f"resourceNames: [{', '.join(denied)}]}}]\n"
        "---\n"
        "apiVersion: rbac.authorization.k8s.io/v1\n"
        "kind: RoleBinding\n"
        f"metadata: {{name: {role}, namespace: {namespace}}}\n"
        f"roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: {role}}}\n"
        f"subjects: [{{kind: ServiceAccount, name: {connect}-connect, namespace: {namespace}}}]\n"
    )


def _some(found: list[str]) -> str:
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(found[:_SHOWN]) + more
