"""What a pipeline asks of its table, from its spec. Pure."""

from clickstream_expressions.environment import PROFILE_COLUMNS

from clickstream_operator.source.finding import SourceRequirements
from clickstream_operator.spec.clickpipeline import ClickPipeline
from clickstream_operator.spec.columns import columns_taken
from clickstream_operator.spec.tables import table_of


def wanted_of(pipeline: ClickPipeline) -> SourceRequirements:
    """Return what the pipeline asks of the table."""
    postgres, taken = pipeline.postgres, columns_taken(pipeline)
    columns = PROFILE_COLUMNS[1:] if taken is None else taken
    schema, table = table_of(postgres.table)
    return SourceRequirements(
        table=postgres.table,
        schema=schema,
        name=table,
        key=postgres.key,
        columns=tuple(column for column in columns if column != postgres.key),
        takes_all=taken is None,
        slot=str(postgres.slot),
        publication=str(postgres.publication),
        database=postgres.database,
    )
