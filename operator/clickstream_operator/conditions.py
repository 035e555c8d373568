"""The conditions of a pipeline, each from what was observed. Pure.

A message says what is so and what to do about it. A condition that cannot be known yet is Unknown;
nothing is True because nobody looked.
"""

from typing import Any

from clickstream_operator.condition import Condition, is_false, is_true, is_unknown
from clickstream_operator.desired import topics_ready
from clickstream_operator.manifests import connectors, names, sinks, topics
from clickstream_operator.observed import Document, Observed, TaskState, condition
from clickstream_operator.pod_conditions import (
    processors_ready,
    rolled_out,
    volumes_reachable,
    volumes_resized,
)
from clickstream_operator.secret_state import missing_secrets
from clickstream_operator.source.verdict import holds_source, source_ready
from clickstream_operator.spec import ClickPipeline
from clickstream_operator.tables import quoted, table_of

_SHOWN = 5
STANDING_MS = 30_000  # a commit that waits for a broker may take as long


def conditions_of(pipeline: ClickPipeline, observed: Observed) -> list[Condition]:
    """Return the conditions of the parts, in the order in which a pipeline starts."""
    return [
        secrets_resolved(pipeline, observed),
        topics_are_ready(pipeline, observed),
        source_ready(pipeline, observed),
        connectors_ready(pipeline, observed),
        processors_ready(pipeline, observed),
        rolled_out(pipeline, observed),
        profiles_loaded(pipeline, observed),
        state_restored(pipeline, observed),
        index_ready(observed),
        volumes_resized(pipeline, observed),
        volumes_reachable(pipeline, observed),
    ]


def secrets_resolved(pipeline: ClickPipeline, observed: Observed) -> Condition:
    """Tell whether every Secret is there and those for Connect may be read by it."""
    missing = missing_secrets(pipeline, observed)
    if missing:
        listed = ", ".join(f"{name} key {key}" if key else name for name, key in missing)
        return is_false("SecretsResolved", "Missing", f"Create in namespace {pipeline.namespace}: {listed}.")
    if observed.denied:
        return is_false("SecretsResolved", "ConnectMayNotRead", _role_message(pipeline, observed.denied))
    return is_true(
        "SecretsResolved", "AllFound", "Every Secret is there, and Connect may read those it needs."
    )


def topics_are_ready(pipeline: ClickPipeline, observed: Observed) -> Condition:
    """Tell whether the topics are there and fit."""
    kind = "TopicsReady"
    if not pipeline.spec.topics.manage:
        return is_true(kind, "Unmanaged", "topics.manage is false: the topics are taken as they are.")
    if observed.strimzi_version is None:
        return _no_strimzi(kind)
    waiting = []
    for topic in topics.topic_specs(pipeline):
        name = names.topic_object(topic.name)
        foreign = observed.foreign.get(("KafkaTopic", name))
        live = observed.child("KafkaTopic", name) or foreign
        if foreign and (differs := _partitions_differ(pipeline, topic, foreign)):
            return is_false(kind, "PartitionsDiffer", f"KafkaTopic {name} {differs}", is_fatal=True)
        ready = condition(live, "Ready")
        if ready.get("status") == "False":
            return is_false(
                kind, "TopicFailed", f"KafkaTopic {name}: {observed.redact(ready.get('message', ''))}"
            )
        if ready.get("status") != "True":
            waiting.append(name)
    if waiting:
        return is_false(kind, "Waiting", f"Waiting for Strimzi to create {_some(waiting)}.")
    return is_true(kind, "Created", "Every topic is there.")


def topics_fit(observed: Observed) -> Condition:
    """Tell whether the topics' options fit the pipeline, as the pods read them; no part of Ready."""
    kind = "TopicsFit"
    if not observed.pods:
        return is_unknown(kind, "NoPodAnswers", "Known once a processor pod answers.")
    found = sorted({finding for pod in observed.pods.values() for finding in pod.topic_findings})
    if not found:
        return is_true(kind, "Fit", "Size, time and retention limits of every topic fit.")
    return is_false(kind, "OptionsDiffer", observed.redact("\n".join(found)))


def connectors_ready(pipeline: ClickPipeline, observed: Observed) -> Condition:
    """Tell whether both connectors run, from their own and their tasks' states, not from Strimzi's Ready."""
    kind = "ConnectorsReady"
    if observed.strimzi_version is None:
        return _no_strimzi(kind)
    if problem := _connect_problem(pipeline, observed):
        return problem
    own = names.names_of(pipeline)
    for name in (own.profiles_connector, own.search_connector):
        live = observed.child("KafkaConnector", name)
        if live is None:
            return is_false(kind, "NotCreated", _why_not_created(pipeline, observed, name))
        status = live.get("status", {})
        state = status.get("connectorStatus", {})
        parts = [("connector", state.get("connector", {}))]
        parts += [(f"task {task.get('id')}", task) for task in state.get("tasks", [])]
        for part, said in parts:
            if said.get("state") == "FAILED":
                trace = observed.redact(str(said.get("trace", ""))).strip().splitlines()
                if name == own.profiles_connector and _has_no_key(trace):
                    return is_false(kind, "KeyColumnGone", _key_message(pipeline), is_fatal=True)
                message = (
                    f"{name}, {part} failed: {_causes(trace)}. It is restarted by itself; see Connect's log."
                )
                return is_false(kind, "Failed", message)
        ready = condition(live, "Ready")
        if ready.get("status") == "False":
            return is_false(kind, "NotReady", f"{name}: {observed.redact(str(ready.get('message', '')))}")
        not_running = [
            f"{part} {said.get('state', 'unknown')}" for part, said in parts if said.get("state") != "RUNNING"
        ]
        if not_running or len(parts) == 1:
            return is_false(kind, "Starting", f"{name}: waiting for {', '.join(not_running) or 'its tasks'}.")
    return is_true(kind, "Running", "Both connectors and all their tasks run.")


def profiles_loaded(pipeline: ClickPipeline, observed: Observed) -> Condition:
    """Tell whether the first snapshot of the table is complete, as the tasks see it."""
    kind = "ProfilesLoaded"
    if not pipeline.spec.processing.join.wait_for_snapshot:
        return is_true(kind, "NotAwaited", "processing.join.waitForSnapshot is false.")
    owners = _owners(observed)
    if not owners:
        return is_unknown(kind, "NoPodAnswers", "Known once a processor pod answers.")
    waiting = [name for name, task in owners.items() if task.phase == "waiting"]
    if waiting:
        message = (
            f"{len(waiting)} tasks hold their first click until the profile table's snapshot is complete."
        )
        return is_false(kind, "Snapshot", message)
    if any(task.phase == "running" for task in owners.values()):
        return is_true(kind, "Complete", "The profile table's first snapshot is complete.")
    return is_unknown(kind, "Restoring", "Known once the first task has restored its state.")


def state_restored(pipeline: ClickPipeline, observed: Observed) -> Condition:
    """Tell whether every task has an owner that is past its restore."""
    kind = "StateRestored"
    partitions, assignment = pipeline.spec.topics.partitions, observed.assignment
    if assignment and assignment.problem:
        return is_false(kind, "NotAssigned", observed.redact(assignment.problem), is_fatal=True)
    if assignment and assignment.kafka:
        return is_false(kind, "KafkaUnreachable", f"The controller cannot use Kafka: {assignment.kafka}")
    if assignment and assignment.held:
        message = "More than half of the pods look dead: nothing is moved until some come back."
        return is_false(kind, "Held", message)
    if not observed.pods:
        return is_unknown(kind, "NoPodAnswers", "Known once a processor pod answers.")
    stopped = {n: t for n, held in observed.tasks().items() for t in held if t.phase == "stopped"}
    if stopped:
        name, task = min(stopped.items())
        message = (
            f"{len(stopped)} tasks refuse to go on; {name} on pod {task.pod}: {observed.redact(task.detail)}"
        )
        return is_false(kind, "TaskStopped", message, is_fatal=True)
    owners = _owners(observed)
    if len(owners) < partitions:
        return is_false(
            kind, "Unowned", f"{partitions - len(owners)} of {partitions} tasks have no owner yet."
        )
    restoring = [name for name, task in owners.items() if task.phase == "restoring"]
    if restoring:
        return is_false(kind, "Restoring", f"{len(restoring)} of {partitions} tasks restore their state.")
    standing = {n: t for n, t in owners.items() if t.phase == "running" and t.standing_ms >= STANDING_MS}
    if standing:
        name, task = max(standing.items(), key=lambda each: each[1].standing_ms)
        message = (
            f"Clicks wait and nothing is committed: {len(standing)} of {partitions} tasks; "
            f"{name} on pod {task.pod}: {observed.redact(task.detail.partition(': ')[2])}"
        )
        return is_false(kind, "NoCommits", message)
    return is_true(kind, "Restored", f"All {partitions} tasks have an owner with its state.")


def index_ready(observed: Observed) -> Condition:
    """Tell whether the index template is in place, which the sink waits for."""
    if not observed.pods:
        return is_unknown("IndexReady", "NoPodAnswers", "Known once a processor pod answers.")
    if observed.index_ready():
        return is_true("IndexReady", "TemplateInPlace", "The index template is in place.")
    details = {pod.index_detail for pod in observed.pods.values() if pod.index_detail}
    why = (
        observed.redact("; ".join(sorted(details))) or "the processors have not reached the search engine yet"
    )
    return is_false("IndexReady", "NoTemplate", f"The index template is not in place: {why}.")


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
    is_output = topic.name in (names_given.enriched, names_given.metrics, names_given.dead_letters)
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


def _connect_problem(pipeline: ClickPipeline, observed: Observed) -> Condition | None:
    kind, cluster = "ConnectorsReady", pipeline.spec.connect.cluster
    if observed.connect is None:
        message = (
            f"There is no KafkaConnect {cluster} in namespace {pipeline.namespace}: "
            "create it, or name another in connect.cluster."
        )
        return is_false(kind, "ConnectMissing", message)
    annotations: dict[str, Any] = observed.connect["metadata"].get("annotations", {})
    if annotations.get("strimzi.io/use-connector-resources") != "true":
        message = (
            f"KafkaConnect {cluster} takes no KafkaConnectors. If no other team's connectors would be lost: "
            f"kubectl annotate kafkaconnect {cluster} -n {pipeline.namespace} "
            "strimzi.io/use-connector-resources=true"
        )
        return is_false(kind, "ConnectNotManaged", message)
    plugins = {
        plugin.get("class") for plugin in observed.connect.get("status", {}).get("connectorPlugins", [])
    }
    reference = connectors.cluster_references(pipeline)
    needed = [
        connectors.profiles_connector(pipeline, reference).plugin,
        sinks.CLICKSTREAM_CLASS,  # its jar holds the source's step as well, which is listed nowhere
        connectors.search_connector(pipeline, reference).plugin,
    ]
    missing = [plugin for plugin in dict.fromkeys(needed) if plugins and plugin not in plugins]
    if missing:
        lacking = ", ".join(missing)
        message = (
            f"KafkaConnect {cluster} lacks the plugin {lacking}: add it to its image (docs/operator.md)."
        )
        return is_false(kind, "PluginMissing", message)
    return None


def _why_not_created(pipeline: ClickPipeline, observed: Observed, name: str) -> str:
    if missing_secrets(pipeline, observed) or observed.denied:
        return f"{name} is created once its Secrets are resolved."
    if not topics_ready(pipeline, observed):
        return f"{name} is created once the topics are there."
    if name == names.names_of(pipeline).profiles_connector and holds_source(pipeline, observed):
        return f"{name} is created once the database has been looked at and fits: see SourceReady."
    if name == names.names_of(pipeline).search_connector and not observed.index_ready():
        return f"{name} is created once the index template is in place."
    return f"{name} is about to be created."


def _role_message(pipeline: ClickPipeline, denied: tuple[str, ...]) -> str:
    connect, namespace = pipeline.spec.connect.cluster, pipeline.namespace
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


def _has_no_key(trace: list[str]) -> bool:
    """Tell whether rows came without their key: the profiles' topic is compacted and takes none such."""
    return any("cannot accept message without key" in line for line in trace)


def _key_message(pipeline: ClickPipeline) -> str:
    postgres = pipeline.spec.source.postgres
    table, key = table_of(postgres.table).sql, quoted(postgres.key)
    return (
        f"Changes of {table} come without a value of {key}. Either a row was deleted, and {key} is not in "
        f"the table's replica identity: ALTER TABLE {table} REPLICA IDENTITY USING INDEX (a unique index on "
        f"{key}, which must be NOT NULL), or: ALTER TABLE {table} REPLICA IDENTITY FULL. Or the column was "
        f"dropped or renamed: ALTER TABLE {table} RENAME COLUMN (its new name) TO {key}. No profile is "
        "changed meanwhile; clicks go on with what there is. The connector meets the same change again after "
        "a restart: use this version's Connect image, whose step ProfileRows makes a notice of it, then: "
        f"kubectl annotate kafkaconnector {names.names_of(pipeline).profiles_connector} "
        f"-n {pipeline.namespace} strimzi.io/restart-task=0."
    )


def _causes(trace: list[str]) -> str:
    """Return a trace's first line and its innermost cause."""
    causes = [line for line in trace if line.startswith("Caused by:")]
    return "; ".join([*trace[:1], *causes[-1:]]) or "no trace"


def _some(found: list[str]) -> str:
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(found[:_SHOWN]) + more


def _no_strimzi(kind: str) -> Condition:
    message = "Strimzi's resources (kafka.strimzi.io) are not installed: see https://strimzi.io/quickstarts."
    return is_false(kind, "StrimziMissing", message)
