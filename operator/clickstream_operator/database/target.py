"""From a pipeline's spec to the database to look at."""

from clickstream_operator.database.inspect import Target
from clickstream_operator.database.quoting import reader_slot
from clickstream_operator.manifests.names import seen_from_afar
from clickstream_operator.spec.clickpipeline import ClickPipeline
from clickstream_operator.spec.tables import table_of


def target_of(pipeline: ClickPipeline, user: str, password: str) -> Target:
    """Return what to look at; a Service's bare name means the pipeline's own namespace."""
    postgres = pipeline.postgres
    host, _, port = seen_from_afar(f"{postgres.host}:{postgres.port}", pipeline.namespace).rpartition(":")
    schema, table = table_of(postgres.table)
    return Target(
        host=host,
        port=int(port),
        database=postgres.database,
        schema=schema,
        table=table,
        slot=str(postgres.slot),
        reader_slot=reader_slot(str(postgres.slot)),
        publication=str(postgres.publication),
        user=user,
        password=password,
    )
