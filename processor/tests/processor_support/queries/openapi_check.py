"""Holds answers against the API's own description."""

from typing import Any

import jsonschema  # type: ignore[import-untyped]
from clickstream_processor.query.http.problems import CONTENT_TYPE

from processor_support.queries.query_pods import Cluster

Json = dict[str, Any]


async def description(cluster: Cluster) -> Json:
    """Return /openapi.json."""
    async with cluster.client.get(cluster.pods[0].url + "/openapi.json") as response:
        document: Json = await response.json()
        return document


def check(document: Json, path: str, status: int, body: Json) -> None:
    """Hold a body against the schema that the description gives for it."""
    response = document["paths"][path]["get"]["responses"][str(status)]
    if "$ref" in response:
        response = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
    content = response["content"]["application/json" if status == 200 else CONTENT_TYPE]
    schema = {**content["schema"], "components": document["components"]}
    jsonschema.Draft202012Validator(schema).validate(body)
