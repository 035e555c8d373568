"""From a pipeline's spec to the database to look at."""

from clickstream_operator.controllers import seen_from_afar
from clickstream_operator.source.inspect import Target
from clickstream_operator.source.quoting import schema_and_table
from clickstream_operator.spec import ClickPipeline


def target_of(pipeline: ClickPipeline, user: str, password: str) -> Target:
    """Return what to look at; a Service's bare name means the pipeline's own namespace."""
    postgres = pipeline.spec.source.postgres
    host, _, port = seen_from_afar(f"{postgres.host}:{postgres.port}", pipeline.namespace).rpartition(":")
    schema, table = schema_and_table(postgres.table)
    return Target(
        host=host,
        port=int(port),
        database=postgres.database,
        schema=schema,
        table=table,
        slot=str(postgres.slot),
        publication=str(postgres.publication),
        user=user,
        password=password,
    )
