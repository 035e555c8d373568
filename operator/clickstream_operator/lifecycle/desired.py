"""What shall be: every object of a pipeline, as far as its start has come. Pure.

At the first start things come one after another: topics; the source connector and the processors,
which hold the first click until the source's snapshot is complete; the sink once a processor has
made the index template, and other sinks. What exists already stays, whatever happens to what came before it.
"""

import hashlib
import json

from clickstream_operator.kube.kinds import (
    BUILT_IN,
    HTTP_ROUTE,
    PIPELINE,
    SECRET,
    Document,
    Wanted,
    strimzi_kind,
)
from clickstream_operator.lifecycle.collecting import COLLECTOR_KINDS, collector_objects
from clickstream_operator.lifecycle.rollouts.pod_templates import Rollout, plan_rollout
from clickstream_operator.lifecycle.secret_state import missing_secrets
from clickstream_operator.manifests import (
    chosen_connectors,
    connectors,
    names,
    network,
    secrets,
    services,
    settings,
    statefulset,
    topics,
)
from clickstream_operator.manifests.platform import Platform
from clickstream_operator.observed import Observed, condition
from clickstream_operator.source import resnapshot
from clickstream_operator.source.verdict import holds_source
from clickstream_operator.spec.clickpipeline import API_GROUP, ClickPipeline

APPLIED_HASH = f"{API_GROUP}/applied-hash"
_KINDS = {kind.kind: kind for kind in (*BUILT_IN, HTTP_ROUTE)}


def desired_objects(
    pipeline: ClickPipeline, uid: str, platform: Platform, observed: Observed, rollout: Rollout | None = None
) -> list[Wanted]:
    """Return the objects to apply now, in order. The peer key is made apart: nobody repeats its value."""
    rollout = rollout or plan_rollout(pipeline, platform, observed, pods_to_run(pipeline, observed))
    objects = [
        settings.config_map(pipeline, rollout.settings),
        statefulset.service_account(pipeline),
        services.headless_service(pipeline),
        services.query_service(pipeline),
        statefulset.disruption_budget(pipeline),
        network.network_policy(pipeline, platform),
    ]
    if _may_start_processors(pipeline, observed):
        objects.append(_statefulset(pipeline, platform, observed, rollout))
    objects += collector_objects(pipeline, platform, observed)
    wanted = [Wanted(_KINDS[o["kind"]], o) for o in objects]
    if observed.strimzi_version:
        wanted = [*_topics(pipeline, observed), *wanted, *_connectors(pipeline, observed)]
    return [finished(w, pipeline, uid) for w in wanted]


def needed_names(pipeline: ClickPipeline) -> list[tuple[str, str]]:
    """Return kind and name of every object the pipeline will have, so that foreign ones are found first."""
    own = names.names_of(pipeline)
    fixed = [
        ("ConfigMap", own.settings),
        ("ServiceAccount", own.service_account),
        ("Service", own.headless_service),
        ("Service", own.query_service),
        ("PodDisruptionBudget", own.disruption_budget),
        ("NetworkPolicy", own.network_policy),
        ("StatefulSet", own.statefulset),
        *(("KafkaConnector", name) for name in chosen_connectors.connector_names(pipeline)),
    ]
    if pipeline.spec.collector:
        fixed += [(kind, own.collector) for kind in COLLECTOR_KINDS]
    if pipeline.spec.topics.manage:
        fixed += [("KafkaTopic", names.topic_object(topic.name)) for topic in topics.topic_specs(pipeline)]
    return fixed


def topics_are_ready(pipeline: ClickPipeline, observed: Observed) -> bool:
    """Tell whether every topic is there, as far as Strimzi says."""
    if not pipeline.spec.topics.manage:
        return True
    return _are_ready([topic.name for topic in topics.topic_specs(pipeline)], observed)


def _are_ready(topic_names: list[str], observed: Observed) -> bool:
    objects = [names.topic_object(name) for name in topic_names]
    found = [observed.child("KafkaTopic", n) or observed.foreign.get(("KafkaTopic", n)) for n in objects]
    return all(condition(topic, "Ready").get("status") == "True" for topic in found)


def may_assign(pipeline: ClickPipeline, observed: Observed) -> bool:
    """Tell whether a controller can work: its topics and its Kafka user's Secrets are there.

    It does not wait for other topics, such as that of a metric which a running pipeline has just got.
    """
    missing = {name for name, _ in missing_secrets(pipeline, observed)}
    own = [names.internal_topic(pipeline, purpose) for purpose in (names.ASSIGNMENT, names.ACKS)]
    ready = not pipeline.spec.topics.manage or _are_ready(own, observed)
    return ready and not missing & secrets.controller_secrets(pipeline)


def pods_to_run(pipeline: ClickPipeline, observed: Observed) -> int:
    """Return how many pods to run: fewer only once those that leave hold nothing any more.

    While the controller has not planned for that number nobody knows what they hold, so they stay.
    """
    wanted = pipeline.spec.processors.replicas
    live = observed.child("StatefulSet", names.names_of(pipeline).statefulset)
    if live is None or observed.assignment is None or live["spec"]["replicas"] <= wanted:
        return wanted
    replicas: int = live["spec"]["replicas"]
    assignment = observed.assignment
    if assignment.term == 0 or assignment.kafka or assignment.replicas != wanted:
        return replicas  # what it knows is of another number of pods, or of another time
    if not assignment.undrained:
        return wanted
    # Drift upwards is not kept: a pod that holds nothing and is not wanted may go.
    return min(replicas, max(assignment.undrained, default=replicas - 1) + 1)


def _topics(pipeline: ClickPipeline, observed: Observed) -> list[Wanted]:
    if not pipeline.spec.topics.manage:
        return []
    kind = strimzi_kind("KafkaTopic", str(observed.strimzi_version))
    specs = topics.topic_specs(pipeline)
    # A shared topic that somebody else made stays theirs: its settings may be deliberate.
    own = [t for t in specs if ("KafkaTopic", names.topic_object(t.name)) not in observed.foreign]
    return [Wanted(kind, topics.kafka_topic(pipeline, topic, kind.api_version)) for topic in own]


def _connectors(pipeline: ClickPipeline, observed: Observed) -> list[Wanted]:
    if not chosen_connectors.connector_names(pipeline):
        return []
    kind = strimzi_kind("KafkaConnector", str(observed.strimzi_version))
    reference = connectors.cluster_references(pipeline)
    source = chosen_connectors.source_of(pipeline, reference)
    may_start = topics_are_ready(pipeline, observed) and _secrets_for_connect(pipeline, observed)
    wanted = []
    live = source and observed.child("KafkaConnector", source.name)
    if source and (live or (may_start and not holds_source(pipeline, observed))):
        document = source.manifest(pipeline, kind.api_version)
        if resnapshot.source_stands(observed.memory):
            document["spec"]["state"] = "stopped"
        wanted.append(document)
    if pipeline.has_table and (state := resnapshot.reader_state(observed.memory)):
        reader = resnapshot.reader(pipeline, reference, observed.memory.resnapshot)
        document = reader.manifest(pipeline, kind.api_version)
        document["spec"]["state"] = state
        wanted.append(document)
    for sink in chosen_connectors.sinks_of(pipeline, reference):
        waits = sink.name == names.names_of(pipeline).search_connector and not observed.index_ready()
        if observed.child("KafkaConnector", sink.name) or (may_start and not waits):
            wanted.append(sink.manifest(pipeline, kind.api_version))
    return [Wanted(kind, document) for document in wanted]


def _secrets_for_connect(pipeline: ClickPipeline, observed: Observed) -> bool:
    missing = {name for name, _ in missing_secrets(pipeline, observed)} | set(observed.denied)
    return not any(use.by_connect and use.name in missing for use in secrets.secret_uses(pipeline))


def _may_start_processors(pipeline: ClickPipeline, observed: Observed) -> bool:
    if observed.child("StatefulSet", names.names_of(pipeline).statefulset):
        return True
    mounted = set(statefulset.mounted_secrets(pipeline))
    missing = {name for name, _ in missing_secrets(pipeline, observed)}
    return topics_are_ready(pipeline, observed) and not missing & mounted


def _statefulset(
    pipeline: ClickPipeline, platform: Platform, observed: Observed, rollout: Rollout
) -> Document:
    live = observed.child("StatefulSet", names.names_of(pipeline).statefulset)
    document = statefulset.statefulset(pipeline, platform, secrets_hash="")
    if rollout.annotations:
        document["metadata"]["annotations"] = dict(rollout.annotations)
    document["spec"]["template"] = rollout.template.document
    document["spec"]["replicas"] = rollout.replicas
    document["spec"]["updateStrategy"]["rollingUpdate"]["partition"] = rollout.next.partition
    if live:
        # Claim templates cannot change in place; a larger volume takes a way of its own.
        size = live["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"]
        document["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] = size
    return document


def peer_key(pipeline: ClickPipeline, uid: str, key: str) -> Wanted:
    """Return the peer key's Secret."""
    return finished(Wanted(SECRET, secrets.peer_key_secret(pipeline, key)), pipeline, uid)


def finished(wanted: Wanted, pipeline: ClickPipeline, uid: str) -> Wanted:
    """Add the owner (not to topics: data outlives the object) and the digest that shows removed fields."""
    meta = wanted.document["metadata"]
    if wanted.kind.kind != "KafkaTopic":
        meta = {**meta, "ownerReferences": [_owner(pipeline, uid)]}
    document = {**wanted.document, "metadata": meta}
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]
    annotations = {**meta.get("annotations", {}), APPLIED_HASH: digest}
    return Wanted(wanted.kind, {**document, "metadata": {**meta, "annotations": annotations}})


def _owner(pipeline: ClickPipeline, uid: str) -> Document:
    return {
        "apiVersion": PIPELINE.api_version,
        "kind": PIPELINE.kind,
        "name": pipeline.name,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
