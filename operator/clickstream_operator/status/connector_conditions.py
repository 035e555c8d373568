"""The condition ConnectorsReady: whether rows and enriched clicks pass through Kafka Connect. Pure."""

from collections.abc import Iterable
from typing import Any

from clickstream_operator.condition import Condition, met, unmet
from clickstream_operator.kube.connector_state import parts_of, refusal
from clickstream_operator.kube.kinds import Document
from clickstream_operator.lifecycle.connector_failures import Failure
from clickstream_operator.lifecycle.desired import topics_are_ready
from clickstream_operator.lifecycle.rollouts.pod_templates import is_ready, why_not_ready
from clickstream_operator.lifecycle.secret_state import missing_secrets
from clickstream_operator.manifests import connectors, names, sinks
from clickstream_operator.manifests.chosen_connectors import connector_names, connectors_of
from clickstream_operator.observed import Observed
from clickstream_operator.source.verdict import holds_source
from clickstream_operator.spec.clickpipeline import ClickPipeline
from clickstream_operator.spec.tables import quoted, table_of

_KIND = "ConnectorsReady"
_LONGEST_WORDS = 1000


def connectors_ready(pipeline: ClickPipeline, observed: Observed, failures: Iterable[Failure]) -> Condition:
    """Tell whether all connectors run, from their own and their tasks' states, not from Strimzi's Ready."""
    wanted = connector_names(pipeline)
    if not wanted:
        return met(_KIND, "NoConnectors", "The pipeline has neither a source connector nor a sink.")
    if observed.strimzi_version is None:
        return no_strimzi(_KIND)
    if problem := _connect_problem(pipeline, observed):
        return problem
    failing = {failure.name: failure for failure in failures}
    for name in wanted:
        live = observed.child("KafkaConnector", name)
        if live is None:
            return unmet(_KIND, "NotCreated", _why_not_created(pipeline, observed, name))
        if failure := failing.get(name):
            return _failed(pipeline, failure)
        if said := refusal(live):
            words = " ".join(observed.redact(said).split())[:_LONGEST_WORDS]
            return unmet(_KIND, "NotReady", f"{name} is refused. Strimzi says: {words}")
        parts = parts_of(live)
        starting = [
            f"{part} {part_said.get('state', 'not there yet')}"
            for part, part_said in parts
            if part_said.get("state") != "RUNNING"
        ]
        if starting or len(parts) == 1:
            return unmet(_KIND, "Starting", f"{name}: waiting for {', '.join(starting) or 'its tasks'}.")
    return met(_KIND, "Running", f"{_all(len(wanted))} and all their tasks run.")


def _all(count: int) -> str:
    return {1: "The connector", 2: "Both connectors"}.get(count, f"All {count} connectors")


def no_strimzi(kind: str) -> Condition:
    """Return the condition of what Strimzi would make."""
    message = "Strimzi's resources (kafka.strimzi.io) are not installed: see https://strimzi.io/quickstarts."
    return unmet(kind, "StrimziMissing", message)


def _failed(pipeline: ClickPipeline, failure: Failure) -> Condition:
    is_source = failure.name == names.names_of(pipeline).profiles_connector
    if pipeline.has_table and is_source and failure.has_no_key:
        return unmet(_KIND, "KeyColumnGone", _key_message(pipeline), is_fatal=True)
    times = f"{failure.restarts} time{'' if failure.restarts == 1 else 's'}"
    restarts = f", restarted {times} since" if failure.restarts else ""
    message = (
        f"{failure.name}, {failure.part} fails since {failure.since}{restarts}: "
        f"{failure.cause or 'no trace was seen'}. Strimzi restarts it, with growing "
        "pauses; see Connect's log."
    )
    return unmet(_KIND, "Failed", message)


def _connect_problem(pipeline: ClickPipeline, observed: Observed) -> Condition | None:
    cluster = pipeline.connect.cluster
    if observed.connect is None:
        message = (
            f"There is no KafkaConnect {cluster} in namespace {pipeline.namespace}: "
            "create it, or name another in connect.cluster."
        )
        return unmet(_KIND, "ConnectMissing", message)
    annotations: dict[str, Any] = observed.connect["metadata"].get("annotations", {})
    if annotations.get("strimzi.io/use-connector-resources") != "true":
        message = (
            f"KafkaConnect {cluster} takes no KafkaConnectors. If no other team's connectors would be lost: "
            f"kubectl annotate kafkaconnect {cluster} -n {pipeline.namespace} "
            "strimzi.io/use-connector-resources=true"
        )
        return unmet(_KIND, "ConnectNotManaged", message)
    if away := _away(observed.connect_pods or ()):
        message = (
            f"No pod of KafkaConnect {cluster} is ready: {away}. Clicks and counts go on; changed rows "
            f"and the index wait. Look at: kubectl -n {pipeline.namespace} get pods "
            f"-l strimzi.io/cluster={cluster},strimzi.io/kind=KafkaConnect"
        )
        return unmet(_KIND, "ConnectAway", message)
    plugins = {
        plugin.get("class") for plugin in observed.connect.get("status", {}).get("connectorPlugins", [])
    }
    reference = connectors.cluster_references(pipeline)
    chosen = [connector.plugin for connector in connectors_of(pipeline, reference)]
    # The jar of our own sink holds the step of a table's source as well, which is listed nowhere.
    needed = [*chosen[:1], sinks.CLICKSTREAM_CLASS, *chosen[1:]] if pipeline.has_table else chosen
    missing = [plugin for plugin in dict.fromkeys(needed) if plugins and plugin not in plugins]
    if missing:
        lacking = ", ".join(missing)
        message = (
            f"KafkaConnect {cluster} lacks the plugin {lacking}: "
            "add it to its image (docs/how-to/prepare-kafka.md)."
        )
        return unmet(_KIND, "PluginMissing", message)
    return None


def _why_not_created(pipeline: ClickPipeline, observed: Observed, name: str) -> str:
    if missing_secrets(pipeline, observed) or observed.denied:
        return f"{name} is created once its Secrets are resolved."
    if not topics_are_ready(pipeline, observed):
        return f"{name} is created once the topics are there."
    if name == names.names_of(pipeline).profiles_connector and holds_source(pipeline, observed):
        return f"{name} is created once the database has been looked at and fits: see SourceReady."
    if name == names.names_of(pipeline).search_connector and not observed.index_ready():
        return f"{name} is created once the index template is in place."
    return f"{name} is about to be created."


def _key_message(pipeline: ClickPipeline) -> str:
    postgres = pipeline.postgres
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


def _away(pods: Iterable[Document]) -> str:
    """Return how Connect's pods are where none is ready; empty where one is, or none was ever seen."""
    found = sorted(pods, key=lambda pod: str(pod["metadata"]["name"]))
    if not found or any(is_ready(pod) for pod in found):
        return ""
    return "; ".join(
        f"{pod['metadata']['name']} {why_not_ready(pod.get('status', {})) or 'is not ready'}" for pod in found
    )[:_LONGEST_WORDS]
