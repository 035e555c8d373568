"""What a pipeline asks of its table, from its spec. Pure."""

from clickstream_expressions.environment import PROFILE_COLUMNS

from clickstream_operator.reads import columns_taken
from clickstream_operator.source.finding import Wanted
from clickstream_operator.spec import ClickPipeline
from clickstream_operator.tables import table_of


def wanted_of(pipeline: ClickPipeline) -> Wanted:
    """Return what the pipeline asks of the table."""
    postgres, taken = pipeline.spec.source.postgres, columns_taken(pipeline)
    columns = PROFILE_COLUMNS[1:] if taken is None else taken
    schema, table = table_of(postgres.table)
    return Wanted(
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
