"""Clicks of Alice and Bob in a search index, as the sink writes them."""

import datetime
import json

import aiohttp
from clickstream_local.testing.browser import PATIENCE_MS
from clickstream_processor.query.search.index import SearchIndex, SearchOptions

from processor_support.queries.query_pods import now_ms

HITS = 45


def patient(url: str, index: str) -> SearchOptions:
    """Return options that wait for an engine that has just begun, on a machine that runs other suites too."""
    return SearchOptions(url, index, connect_timeout_s=30, total_timeout_s=PATIENCE_MS / 1_000)


async def fill_index(url: str, name: str) -> None:
    """Write 30 views of Alice and 15 carts of Bob, a minute apart, in bulk as the sink does."""
    lines = []
    for number in range(HITS):
        alice, event_ms = number < 30, now_ms() - number * 60_000
        click = {
            "event_id": f"user-clicks-0-{number}",
            "user_id": "alice123" if alice else "bob456",
            "user_name": "Alice Smith" if alice else "Bob <b>Jones</b>",
            "country": "USA",
            "plan_tier": "premium",
            "page_url": f"/products/{number}",
            "action": "view" if alice else "cart",
            "timestamp": event_ms,
        }
        day = datetime.datetime.fromtimestamp(event_ms / 1000, datetime.UTC)  # an old one would be removed
        action = {"index": {"_index": f"{name}-{day:%Y.%m.%d}", "_id": click["event_id"]}}
        lines += [json.dumps(action), json.dumps(click)]
    async with (
        SearchIndex(patient(url, name)) as search,
        aiohttp.ClientSession() as client,
    ):
        await search.ensure_template()
        headers = {"Content-Type": "application/x-ndjson"}
        body = "\n".join(lines) + "\n"
        async with client.post(f"{url}/_bulk?refresh=true", data=body, headers=headers) as answer:
            assert not (await answer.json())["errors"]
