"""KafkaTopics, as Strimzi's topic operator treats them: a finalizer guards what is in Kafka."""

from strimzi_stand_in import kafka
from strimzi_stand_in.api import MERGE, Api, Document, annotations_of, path_of
from strimzi_stand_in.conditions import ready, topic_failed

PLURAL = "kafkatopics"
FINALIZER = "strimzi.io/topic-operator"


def reconcile(api: Api, topic: Document) -> None:
    """Make one topic so."""
    meta, spec = topic["metadata"], topic["spec"]
    name = spec.get("topicName") or meta["name"]
    cluster = meta.get("labels", {}).get("strimzi.io/cluster")
    if not cluster:
        return
    if not kafka.is_there(cluster, meta["namespace"]):
        raise OSError(f"Kafka {cluster} is not there yet")  # the next round asks again
    admin = kafka.client(cluster, meta["namespace"])
    managed = annotations_of(topic).get("strimzi.io/managed", "true") != "false"
    finalizers = meta.get("finalizers") or []
    try:
        if meta.get("deletionTimestamp"):
            if FINALIZER in finalizers:
                if managed:
                    kafka.delete_topic(admin, name)
                rest = [one for one in finalizers if one != FINALIZER]
                api.request("PATCH", path_of(PLURAL, topic), {"metadata": {"finalizers": rest}}, MERGE)
            return
        if FINALIZER not in finalizers:
            wanted = {"metadata": {"finalizers": [*finalizers, FINALIZER]}}
            api.request("PATCH", path_of(PLURAL, topic), wanted, MERGE)
        if managed:
            config = {key: str(value) for key, value in spec.get("config", {}).items()}
            kafka.make_topic(admin, name, spec.get("partitions", 1), spec.get("replicas", 1), config)
        api.write_status(PLURAL, topic, ready(topic, topicName=name))
    except kafka.TopicRefused as refused:
        api.write_status(PLURAL, topic, topic_failed(topic, "KafkaError", str(refused), topicName=name))
