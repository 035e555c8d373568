"""The configurations of the sinks that can fill the search index.

Each gives the same: the document's id is the event's, its index the day of its event time, only
committed records are read, and what the engine refuses goes to the dead letters. `clickstream` is
this project's own; the two others never ran here: a test holds each option against the names and values
that their sources define (tests/manifests/sink-options.json).
"""

from collections.abc import Callable
from dataclasses import dataclass

from clickstream_operator.spec.clickpipeline import ClickPipeline, Search

CLICKSTREAM_CLASS = "dev.clickstream.connect.SearchSinkConnector"
AIVEN_CLASS = "io.aiven.kafka.connect.opensearch.OpensearchSinkConnector"
CONFLUENT_CLASS = "io.confluent.connect.elasticsearch.ElasticsearchSinkConnector"
_TRANSFORMS = "org.apache.kafka.connect.transforms"
# Large enough for one bulk request of our own sink; the others cut their batches themselves.
_POLL_RECORDS = "3000"
# An outage of the engine must not turn good documents into dead letters: retry for about a month.
_PATIENCE = {"max.retries": "500000", "retry.backoff.ms": "5000"}


@dataclass(frozen=True, slots=True)
class Access:
    """References to user, password, API key and the PEM of the engine's CA, as Connect resolves them.

    Empty: none.
    """

    username: str = ""
    password: str = ""
    api_key: str = ""
    ca: str = ""


Flavour = Callable[[ClickPipeline, Access], tuple[str, dict[str, str]]]


def search_of(pipeline: ClickPipeline) -> Search:
    """Return the search index. Raises LookupError where there is none."""
    if pipeline.search is None:
        raise LookupError(f"pipeline {pipeline.name} has no search")
    return pipeline.search


def clickstream(pipeline: ClickPipeline, access: Access) -> tuple[str, dict[str, str]]:
    """Return class and configuration of this project's bulk sink (connect/)."""
    search = search_of(pipeline)
    user = {"username": access.username, "password": access.password} if access.username else {}
    if access.api_key:
        user = {"api.key": access.api_key}
    trust = {"tls.ca.pem": access.ca} if access.ca else {}
    return CLICKSTREAM_CLASS, {
        **_reading(pipeline),
        "value.converter": "org.apache.kafka.connect.converters.ByteArrayConverter",
        "url": search.url,
        **user,
        **trust,
        "index": search.index,
        "id.field": "event_id",
        "timestamp.field": "timestamp",
        # A day that the pods drop within the hour gets no index: years-old clicks would make one a day.
        "index.retention.days": search.retention.removesuffix("d"),
    }


def opensearch(pipeline: ClickPipeline, access: Access) -> tuple[str, dict[str, str]]:
    """Return class and configuration of Aiven's OpenSearch sink."""
    return AIVEN_CLASS, {
        **_reading(pipeline),
        **_documents(pipeline, access),
        "behavior.on.malformed.documents": "report",
        # It writes a document with the record's offset as its version. A record read again after a restart
        # is refused as not newer, and by default that fails the task for good.
        "behavior.on.version.conflict": "ignore",
        "index.write.method": "insert",
    }


def elasticsearch(pipeline: ClickPipeline, access: Access) -> tuple[str, dict[str, str]]:
    """Return class and configuration of Confluent's Elasticsearch sink."""
    return CONFLUENT_CLASS, {
        **_reading(pipeline),
        **_documents(pipeline, access),
        "behavior.on.malformed.documents": "ignore",
        "write.method": "insert",
        # Required by that sink where a transform changes the topic's name.
        "flush.synchronously": "true",
    }


FLAVOURS: dict[str, Flavour] = {
    "clickstream": clickstream,
    "opensearch": opensearch,
    "elasticsearch": elasticsearch,
}


def _reading(pipeline: ClickPipeline) -> dict[str, str]:
    topics = pipeline.spec.topics
    return {
        "topics": topics.enriched,
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "consumer.override.isolation.level": "read_committed",
        "consumer.override.auto.offset.reset": "earliest",
        "consumer.override.max.poll.records": _POLL_RECORDS,
        "errors.tolerance": "all",
        "errors.deadletterqueue.topic.name": topics.dead_letters,
        "errors.deadletterqueue.topic.replication.factor": str(topics.replicas),
        "errors.deadletterqueue.context.headers.enable": "true",
    }


def _documents(pipeline: ClickPipeline, access: Access) -> dict[str, str]:
    """Return what both foreign sinks share: the key becomes the id, the record's day the index.

    They take a CA only as a file of the worker: the worker's trust store must hold it.
    """
    search = search_of(pipeline)
    user = (
        {"connection.username": access.username, "connection.password": access.password}
        if access.username
        else {}
    )
    return {
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "false",
        "connection.url": search.url,
        **user,
        "key.ignore": "false",
        "schema.ignore": "true",
        "behavior.on.null.values": "ignore",
        **_PATIENCE,
        "transforms": "id,idText,day",
        "transforms.id.type": f"{_TRANSFORMS}.ValueToKey",
        "transforms.id.fields": "event_id",
        "transforms.idText.type": f"{_TRANSFORMS}.ExtractField$Key",
        "transforms.idText.field": "event_id",
        "transforms.day.type": f"{_TRANSFORMS}.TimestampRouter",
        "transforms.day.topic.format": f"{search.index}-${{timestamp}}",
        "transforms.day.timestamp.format": "yyyy.MM.dd",
    }
