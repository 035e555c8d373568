"""The connectors that the product knows: profiles from PostgreSQL, enriched clicks into the search index.

A configuration never holds a secret, only a reference that Connect resolves: how it is written
depends on where Connect runs, so it is a parameter. In a cluster the configuration becomes a
KafkaConnector; `local/` PUTs the same to Connect's REST interface.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from clickstream_operator.manifests import sinks
from clickstream_operator.manifests.names import (
    CLUSTER_LABEL,
    NOTIFICATIONS,
    internal_topic,
    labels,
    names_of,
)
from clickstream_operator.manifests.secrets import API_KEY
from clickstream_operator.spec.clickpipeline import ClickPipeline
from clickstream_operator.spec.columns import columns_taken
from clickstream_operator.spec.tables import exact, table_of

DEBEZIUM_CLASS = "io.debezium.connector.postgresql.PostgresConnector"
STRING_CONVERTER = "org.apache.kafka.connect.storage.StringConverter"
JSON_CONVERTER = "org.apache.kafka.connect.json.JsonConverter"
_TRANSFORMS = "org.apache.kafka.connect.transforms"
# Our own step (connect/): change events become rows, and what cannot become one a notice.
ROWS_CLASS = "dev.clickstream.connect.ProfileRows"
_RESELECT_CLASS = "io.debezium.processors.reselect.ReselectColumnsPostProcessor"

# (secret, key) -> what stands in the configuration in its place.
Reference = Callable[[str, str], str]


def cluster_references(pipeline: ClickPipeline) -> Reference:
    """Return how a Secret of the pipeline's namespace is referred to by the Connect's provider."""
    provider, namespace = pipeline.connect.secrets_provider, pipeline.namespace
    return lambda secret, key: f"${{{provider}:{namespace}/{secret}:{key}}}"


def directory_references(pipeline: ClickPipeline, folder: str) -> Reference:
    """Return how a file `folder/SECRET/KEY` is referred to with Connect's DirectoryConfigProvider."""
    provider = pipeline.connect.secrets_provider
    return lambda secret, key: f"${{{provider}:{folder}/{secret}:{key}}}"


@dataclass(frozen=True, slots=True)
class Connector:
    """One connector. `config` holds neither name, class nor number of tasks."""

    name: str
    plugin: str
    tasks_max: int
    config: dict[str, str]

    def rest(self) -> dict[str, str]:
        """Return the body of `PUT /connectors/{name}/config`."""
        return {"connector.class": self.plugin, "tasks.max": str(self.tasks_max), **self.config}

    def manifest(self, pipeline: ClickPipeline, api_version: str) -> dict[str, Any]:
        """Return the KafkaConnector."""
        cluster = {CLUSTER_LABEL: pipeline.connect.cluster}
        return {
            "apiVersion": api_version,
            "kind": "KafkaConnector",
            "metadata": {
                "name": self.name,
                "namespace": pipeline.namespace,
                "labels": labels(pipeline, "connector") | cluster,
            },
            "spec": {
                "class": self.plugin,
                "tasksMax": self.tasks_max,
                "state": "running",
                "autoRestart": {"enabled": True},
                "config": self.config,
            },
        }


def profiles_connector(pipeline: ClickPipeline, reference: Reference, drop_slot: bool = False) -> Connector:
    """Return the source: flat JSON keyed by user, deletes as tombstones, exactly once.

    `drop_slot`: the connector drops its replication slot when it is stopped; only for a pipeline
    that is being deleted, since without the slot changes of the meantime are lost.
    """
    config = _connection(pipeline, reference) | _capture(pipeline) | _reselect()
    config |= _notices(pipeline) | _shape(pipeline)
    config["slot.drop.on.stop"] = str(drop_slot).lower()
    return Connector(names_of(pipeline).profiles_connector, DEBEZIUM_CLASS, 1, config)


def search_connector(pipeline: ClickPipeline, reference: Reference) -> Connector:
    """Return the sink of the flavour the pipeline chose. Raises LookupError where there is no search."""
    search = sinks.search_of(pipeline)
    access = sinks.Access()
    if secret := search.credentials_secret:
        access = sinks.Access(reference(secret, "username"), reference(secret, "password"))
    if secret := search.api_key_secret:
        access = sinks.Access(api_key=reference(secret, API_KEY))
    if search.tls:
        access = replace(access, ca=reference(search.tls.ca_secret, "ca.crt"))
    plugin, config = sinks.FLAVOURS[search.connector](pipeline, access)
    return Connector(names_of(pipeline).search_connector, plugin, search.tasks_max, config)


def _connection(pipeline: ClickPipeline, reference: Reference) -> dict[str, str]:
    postgres = pipeline.postgres
    return {
        "database.hostname": postgres.host,
        "database.port": str(postgres.port),
        "database.user": reference(postgres.credentials_secret, "username"),
        "database.password": reference(postgres.credentials_secret, "password"),
        "database.dbname": postgres.database,
        "plugin.name": "pgoutput",
        "slot.name": str(postgres.slot),
        "publication.name": str(postgres.publication),
        # The connector's user then needs no right to create publications;
        # docs/how-to/prepare-the-database.md has the SQL.
        "publication.autocreate.mode": "disabled",
    }


def _capture(pipeline: ClickPipeline) -> dict[str, str]:
    postgres = pipeline.postgres
    table, key = table_of(postgres.table).pattern, exact(postgres.key)
    taken = columns_taken(pipeline)
    columns = {"column.include.list": ",".join(rf"{table}\.{exact(c)}" for c in taken)} if taken else {}
    return columns | {
        "exactly.once.support": "required",
        "transaction.boundary": "poll",
        "snapshot.mode": "initial",
        "topic.prefix": pipeline.id,
        "table.include.list": table,
        "message.key.columns": f"{table}:{key}",
        "column.propagate.source.type": rf"{table}\.{key}",  # char(n) is told from text by it
        "tombstones.on.delete": "false",  # the rows' step makes them
        "skipped.operations": "none",  # a TRUNCATE is told, too
        "decimal.handling.mode": "double",
        "time.precision.mode": "connect",
    }


def _reselect() -> dict[str, str]:
    """Return what reads a long value again that an update did not change, and PostgreSQL so did not log.

    One look-up by key for each such change, and for no other; none at all with REPLICA IDENTITY FULL.
    """
    return {
        "post.processors": "reselector",
        "reselector.type": _RESELECT_CLASS,
        "reselector.reselect.unavailable.values": "true",
        "reselector.reselect.null.values": "false",
        "reselector.reselect.use.event.key": "true",
        "reselector.reselect.error.handling.mode": "WARN",  # the rows' step refuses what is still missing
    }


def _notices(pipeline: ClickPipeline) -> dict[str, str]:
    """Return what makes the end of the snapshot visible, and the slot advance while the table is quiet.

    An event of the table advances the slot; without one, other tables' log would be kept until the
    disk is full. In this mode the driver acknowledges the server's keep-alives too, once all that
    was received is committed (measured: ADR 0061). After a start it receives the last event again, which
    the connector skips, so that nothing of it is committed: the first heartbeat does that.
    """
    return {
        "notification.enabled.channels": "sink",
        "notification.sink.topic.name": internal_topic(pipeline, NOTIFICATIONS),
        "lsn.flush.mode": "connector_and_driver",
        "heartbeat.interval.ms": "60000",  # ten minutes by itself in this mode
        # So the slot may be ahead of the last event's stored offset, with nothing of the table in between.
        # Unless told so, the connector takes that for lost log when it starts, and fails for good (seen). Not
        # trust_greater_lsn: it seeks the slot too, to a commit that the slot may have passed (ADR 0061).
        "offset.mismatch.strategy": "trust_slot",
    }


def _shape(pipeline: ClickPipeline) -> dict[str, str]:
    """Return converters and transforms: the table's change events become flat rows."""
    postgres = pipeline.postgres
    return {
        "key.converter": STRING_CONVERTER,
        "value.converter": JSON_CONVERTER,
        "value.converter.schemas.enable": "false",
        # A null stays a null, whatever the column's DEFAULT is.
        "value.converter.replace.null.with.default": "false",
        "predicates": "profile,heartbeat",
        "predicates.profile.type": f"{_TRANSFORMS}.predicates.TopicNameMatches",
        "predicates.profile.pattern": table_of(postgres.table).topic(pipeline.id),
        # Heartbeats' own topic does not exist: a record for it would hang the producer, and the snapshot
        # with it. They go to the notifications' topic, where readers skip them.
        "predicates.heartbeat.type": f"{_TRANSFORMS}.predicates.TopicNameMatches",
        "predicates.heartbeat.pattern": r"__debezium-heartbeat\..*",
        "transforms": "heartbeat,rows",
        "transforms.heartbeat.type": f"{_TRANSFORMS}.RegexRouter",
        "transforms.heartbeat.predicate": "heartbeat",
        "transforms.heartbeat.regex": ".*",
        "transforms.heartbeat.replacement": internal_topic(pipeline, NOTIFICATIONS),
        "transforms.rows.type": ROWS_CLASS,
        "transforms.rows.predicate": "profile",
        "transforms.rows.key": postgres.key,
        "transforms.rows.topic": pipeline.spec.topics.profiles,
    }
