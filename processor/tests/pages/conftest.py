"""The search index that the tests of the pages share."""

import asyncio
from typing import Any

import pytest
from processor_support.queries.indexed_clicks import fill_index


@pytest.fixture(scope="session")
def index(opensearch: Any) -> str:
    """An index of clicks: 30 views of Alice and 15 carts of Bob, a minute apart."""
    asyncio.run(fill_index(opensearch.url, "pages"))
    return "pages"
