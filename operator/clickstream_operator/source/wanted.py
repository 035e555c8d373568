"""What a pipeline asks of its table, from its spec. Pure."""

import re

from clickstream_operator.source.finding import Wanted
from clickstream_operator.source.quoting import schema_and_table
from clickstream_operator.spec import ClickPipeline

# What an enriched click takes of a profile, and expressions may read by name.
CONTRACT = ("name", "email", "country", "plan_tier")
_READ = re.compile(r"\bprofile\.([a-zA-Z_][a-zA-Z0-9_]*)")


def wanted_of(pipeline: ClickPipeline) -> Wanted:
    """Return what the pipeline asks of the table."""
    postgres = pipeline.spec.source.postgres
    schema, table = schema_and_table(postgres.table)
    return Wanted(
        table=postgres.table,
        schema=schema,
        name=table,
        key=postgres.key,
        columns=tuple(dict.fromkeys([*CONTRACT, *_in_expressions(pipeline, postgres.key)])),
        slot=str(postgres.slot),
        publication=str(postgres.publication),
        database=postgres.database,
    )


def _in_expressions(pipeline: ClickPipeline, key: str) -> list[str]:
    processing = pipeline.spec.processing
    found = [_READ.findall(text) for text in (processing.filter, *processing.transform.set.values())]
    return [column for columns in found for column in columns if column not in ("user_id", key)]
