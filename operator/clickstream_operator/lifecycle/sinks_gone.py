"""The sinks that a pipeline had and does not ask for any more. Pure."""

from clickstream_operator.kube.kinds import Document, Kind, strimzi_kind
from clickstream_operator.manifests.chosen_connectors import connector_names
from clickstream_operator.manifests.names import names_of
from clickstream_operator.observed import Observed
from clickstream_operator.spec.clickpipeline import ClickPipeline


def sink_leftovers(pipeline: ClickPipeline, observed: Observed) -> list[tuple[Kind, Document]]:
    """Return own sink connectors that are not wanted, and that are not going."""
    if observed.strimzi_version is None:
        return []
    kind, own = strimzi_kind("KafkaConnector", observed.strimzi_version), names_of(pipeline)
    wanted = connector_names(pipeline)
    return [
        (kind, document)
        for name, document in sorted(observed.connectors().items())
        if (name == own.search_connector or name.startswith(own.sink_connector("")))
        and name not in wanted
        and not document["metadata"].get("deletionTimestamp")
    ]
