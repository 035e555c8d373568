"""The connectors whose class a pipeline chooses, and all connectors of a pipeline in the order of its data.

The pipeline's options are taken as they are. What keeps the pipeline whole is the operator's: which topic is
read or filled, that only committed records are read, and that a refused one goes to the dead letters.
"""

from clickstream_operator.manifests.connectors import (
    JSON_CONVERTER,
    STRING_CONVERTER,
    Connector,
    Reference,
    profiles_connector,
    search_connector,
)
from clickstream_operator.manifests.names import names_of
from clickstream_operator.spec.chosen import ChosenConnector, ChosenSink
from clickstream_operator.spec.clickpipeline import ClickPipeline

# Unless the pipeline says otherwise: keys are the user's id as text, values plain JSON.
_CONVERTERS = {
    "key.converter": STRING_CONVERTER,
    "value.converter": JSON_CONVERTER,
    "value.converter.schemas.enable": "false",
}
_ROUTE = "clickstreamProfiles"


def source_of(pipeline: ClickPipeline, reference: Reference) -> Connector | None:
    """Return the connector that fills the profiles topic, None where none does."""
    if pipeline.has_table:
        return profiles_connector(pipeline, reference)
    chosen = pipeline.source_connector
    if chosen is None:
        return None
    config = _options(chosen, reference)
    # Wherever the connector would write, and after its own transforms: to the profiles.
    transforms = [name for name in (config.get("transforms"), _ROUTE) if name]
    config |= {
        "transforms": ",".join(transforms),
        f"transforms.{_ROUTE}.type": "org.apache.kafka.connect.transforms.RegexRouter",
        f"transforms.{_ROUTE}.regex": ".*",
        f"transforms.{_ROUTE}.replacement": pipeline.spec.topics.profiles,
    }
    return Connector(names_of(pipeline).profiles_connector, chosen.plugin, chosen.tasks_max, config)


def sinks_of(pipeline: ClickPipeline, reference: Reference) -> list[Connector]:
    """Return the sinks: that of the search index, if there is one, and those that the pipeline chose."""
    search = [search_connector(pipeline, reference)] if pipeline.search else []
    return [*search, *(_sink(pipeline, sink, reference) for sink in pipeline.spec.sinks)]


def connectors_of(pipeline: ClickPipeline, reference: Reference) -> list[Connector]:
    """Return all connectors of a pipeline, the source first."""
    source = source_of(pipeline, reference)
    return [*([source] if source else []), *sinks_of(pipeline, reference)]


def connector_names(pipeline: ClickPipeline) -> list[str]:
    """Return the names of all connectors of a pipeline, in the same order."""
    own = names_of(pipeline)
    has_source = pipeline.has_table or pipeline.source_connector is not None
    source = [own.profiles_connector] if has_source else []
    search = [own.search_connector] if pipeline.search else []
    return [*source, *search, *(own.sink_connector(sink.name) for sink in pipeline.spec.sinks)]


def topic_of(pipeline: ClickPipeline, sink: ChosenSink) -> str:
    """Return the Kafka topic that a sink reads."""
    topics, processing = pipeline.spec.topics, pipeline.spec.processing
    named = {metric.name: metric.topic for metric in processing.metrics if metric.topic}
    if processing.sessions:
        named["sessions"] = processing.sessions.topic
    named |= {"enriched": topics.enriched, "metrics": topics.metrics}
    return named[sink.topic]


def _sink(pipeline: ClickPipeline, sink: ChosenSink, reference: Reference) -> Connector:
    topics = pipeline.spec.topics
    config = _options(sink.connector, reference) | {
        "topics": topic_of(pipeline, sink),
        "consumer.override.isolation.level": "read_committed",
        "consumer.override.auto.offset.reset": "earliest",
        "errors.tolerance": "all",
        "errors.deadletterqueue.topic.name": topics.dead_letters,
        "errors.deadletterqueue.topic.replication.factor": str(topics.replicas),
        "errors.deadletterqueue.context.headers.enable": "true",
    }
    name = names_of(pipeline).sink_connector(sink.name)
    return Connector(name, sink.connector.plugin, sink.connector.tasks_max, config)


def _options(chosen: ChosenConnector, reference: Reference) -> dict[str, str]:
    hidden = {option: reference(use.name, use.key) for option, use in chosen.secrets.items()}
    return _CONVERTERS | chosen.config | hidden
