"""Template, retention and searches against the real engines: OpenSearch 3.8 and Elasticsearch 7.10.2."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema  # type: ignore[import-untyped]
import msgspec
import pytest
from clickstream_expressions.expression import compile_outputs
from clickstream_processor.query.openapi.document import document as description
from clickstream_processor.query.search.index import EngineFailed, SearchIndex, SearchOptions
from clickstream_processor.query.search.query import parse_search
from processor_support.queries.query_pods import Cluster

pytestmark = pytest.mark.real

DAY_MS = 86_400_000
JSON_VALUES: list[Any] = [
    *(
        "text",
        "",
        "x" * 40_000,
        "2026-01-01",
        "2026-01-01T00:00:00Z",
        "{",
        5,
        -1.5,
        2**63,
        10**30,
        1e308,
        True,
        None,
    ),
    *([], [None], [1, "a", None, True], [[1], [{"b": 2}]], [{"a": 1}, {"a": "text"}]),
    *(
        {},
        {"a": 1},
        {"a": {"b": [1, {"c": None}]}},
        {"a": "text"},
        {"": 1},
        {".": 1},
        {"a..b": 1},
        {"a.b": 1},
    ),
    *({"a": "x" * 40_000}, {"x": {"y": 1}, "x.y": 2}, {"ключ": "ค่า"}),
]
NOON_MS = int(datetime(2026, 3, 10, 12, tzinfo=UTC).timestamp() * 1000)
_names = count()


class Engine:
    """A running engine, and an index name that no other test has."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.index = f"clicks{next(_names)}"
        self.client = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60))

    async def call(self, method: str, path: str, body: str | None = None) -> dict[str, Any]:
        """Send one request to the engine."""
        headers = {
            "Content-Type": "application/x-ndjson" if path.startswith("/_bulk") else "application/json"
        }
        async with self.client.request(method, self.url + path, data=body, headers=headers) as response:
            answer: dict[str, Any] = json.loads(await response.text())
            assert response.status < 300, answer
            return answer

    async def put(self, *clicks: dict[str, Any]) -> None:
        """Index documents as the sink does: id from event_id, daily index by the event time."""
        lines: list[str] = []
        for click in clicks:
            day = datetime.fromtimestamp(int(click["timestamp"]) / 1000, UTC).strftime("%Y.%m.%d")
            action = {"index": {"_index": f"{self.index}-{day}", "_id": click["event_id"]}}
            lines += [json.dumps(action), json.dumps(click)]
        answer = await self.call("POST", "/_bulk?refresh=true", "\n".join(lines) + "\n")
        assert not answer["errors"], answer

    def options(self, **more: Any) -> SearchOptions:
        """Return options for this engine and index."""
        return SearchOptions(
            url=self.url, index=self.index, connect_timeout_s=30, total_timeout_s=180, **more
        )


@pytest.fixture(params=["opensearch", "elasticsearch"])
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[Engine]:
    """Give each engine in turn; each is started once for the session."""
    node = Engine(request.getfixturevalue(request.param).url)
    yield node
    await node.client.close()


def click(number: int, event_ms: int = NOON_MS, **fields: Any) -> dict[str, Any]:
    """Return an enriched click."""
    return {
        "event_id": f"user-clicks-0-{number}",
        "user_id": "alice123",
        "user_name": "Alice Smith",
        "country": "USA",
        "plan_tier": "premium",
        "page_url": f"/products/{number}",
        "action": "view",
        "timestamp": event_ms,
        **fields,
    }


async def found(engine: Engine, **parameters: str) -> list[str]:
    """Return the event ids of a search's hits."""
    async with SearchIndex(engine.options()) as index:
        result = await index.search(parse_search(parameters))
    return [msgspec.json.decode(hit.click)["event_id"] for hit in result.hits]


async def test_template_stands_and_can_be_put_again(engine: Engine) -> None:
    fields = {"section": "STRING", "price": "DOUBLE", "context": "DYN"}
    async with SearchIndex(engine.options(fields=fields)) as index:
        assert index.detail  # what is missing
        for _ in range(2):
            await index.ensure_template()
        assert index.ready
    await engine.put(click(1, section="shoes", price=9.5, unheard_of={"x": 1}))
    mapping = await engine.call("GET", f"/{engine.index}-2026.03.10/_mapping")
    properties = mapping[f"{engine.index}-2026.03.10"]["mappings"]["properties"]
    assert properties["timestamp"]["type"] == "date"
    assert properties["section"]["type"] == "keyword"
    assert properties["price"]["type"] == "double"
    assert properties["context"] == {"type": "object", "enabled": False}
    assert "unheard_of" not in properties


async def test_odd_values_do_not_refuse_a_document(engine: Engine) -> None:
    async with SearchIndex(engine.options(fields={"price": "DOUBLE"})) as index:
        await index.ensure_template()
    await engine.put(
        click(1, page_url="/" + "x" * 9_000),
        click(2, price="not a number"),
        click(3, country=None, user_name=None),
        click(4, action="a" * 300),
    )
    assert len(await found(engine)) == 4


async def test_every_json_value_of_a_transform_is_indexed_and_found(engine: Engine) -> None:
    """B21: whatever type the expression has, and whatever it gives from one click to the next."""
    sources = {
        "anything": "click.ctx",
        "page": '{"page": click.page_url, "tier": profile.plan_tier}',
        "country": "click.ctx",  # a field of the contract, too
        "user_name": "click.ctx",
        "mixed": "[click.ctx, 1]",
        "parts": 'click.page_url.split("/")',
        "longest": "string(click.ctx)",
        "amount": "int(click.ctx)",
        "share": "double(click.ctx)",
        "flag": 'click.action == "buy"',
    }
    fields = {name: expression.type for name, expression in compile_outputs(sources).items()}
    typed = ("parts", "longest", "amount", "share", "flag")
    async with SearchIndex(engine.options(fields=fields)) as index:
        await index.ensure_template()
    of_type: list[dict[str, Any]] = [
        {"parts": ["", "a"], "longest": "x" * 40_000, "amount": 2**63 - 1, "share": 1e308, "flag": True},
        {"parts": [], "longest": "2026-01-01", "amount": -(2**63), "share": -1.5, "flag": False},
    ]
    await engine.put(*(click(n, **values) for n, values in enumerate(of_type)))
    free = [name for name in sources if name not in typed]
    await engine.put(*(click(100 + n, **dict.fromkeys(free, value)) for n, value in enumerate(JSON_VALUES)))

    answer = await engine.call("POST", f"/{engine.index}-*/_search?size=1000")
    assert answer["hits"]["total"]["value"] == len(of_type) + len(JSON_VALUES)
    kept = {hit["_source"]["event_id"]: hit["_source"] for hit in answer["hits"]["hits"]}
    for number, value in enumerate(JSON_VALUES):
        assert {name: kept[f"user-clicks-0-{100 + number}"][name] for name in free} == dict.fromkeys(
            free, value
        )
    assert len(await found(engine, q="products")) == 20  # of the first page
    for field, value in (("longest", "2026-01-01"), ("amount", 2**63 - 1), ("parts", "a"), ("flag", "true")):
        query = json.dumps({"query": {"term": {field: value}}})
        answer = await engine.call("POST", f"/{engine.index}-*/_search", query)
        assert answer["hits"]["total"]["value"] == 1, field


async def test_pipelines_whose_index_names_begin_alike_have_templates_and_clicks_of_their_own(
    engine: Engine,
) -> None:
    """B22: clicks, clicks-eu, and a name that looks like a day of clicks; whichever came first."""
    first = engine.index
    names = [first, f"{first}-eu", f"{first}-2026.01.01", f"{first}-eu-2026"]
    for name in (*names, *reversed(names)):
        engine.index = name
        async with SearchIndex(engine.options(fields={"of": "STRING"})) as index:
            await index.ensure_template()
            assert index.ready
    for number, name in enumerate(names):
        engine.index = name
        await engine.put(click(number, of=name), click(number, NOON_MS + DAY_MS, of=name, event_id=name))
    for number, name in enumerate(names):
        engine.index = name
        assert await found(engine) == [name, f"user-clicks-0-{number}"]
        async with SearchIndex(engine.options(retention_ms=DAY_MS)) as index:
            assert await index.drop_expired(NOON_MS + int(1.5 * DAY_MS)) == [f"{name}-2026.03.10"]
        assert await found(engine) == [name]


async def test_engine_that_shares_a_pattern_at_the_same_priority_is_told_with_its_own_words(
    engine: Engine,
) -> None:
    body = {"index_patterns": [f"{engine.index}*"], "priority": 100 + len(engine.index)}
    await engine.call("PUT", f"/_index_template/{engine.index}-of-somebody", json.dumps(body))
    async with SearchIndex(engine.options()) as index:
        with pytest.raises(EngineFailed):
            await index.ensure_template()
        assert f"{engine.index}-of-somebody" in index.detail
    await engine.call("DELETE", f"/_index_template/{engine.index}-of-somebody")


async def test_a_user_id_of_1024_bytes_is_found(engine: Engine) -> None:
    async with SearchIndex(engine.options()) as index:
        await index.ensure_template()
    await engine.put(click(1, user_id="u" * 1024), click(2, user_id="u" * 1023))
    assert await found(engine, user="u" * 1024) == ["user-clicks-0-1"]


async def test_whole_days_older_than_the_retention_are_dropped_and_nothing_else(engine: Engine) -> None:
    days = ["2026.02.07", "2026.02.08", "2026.02.09", "2026.03.10"]
    others = [
        f"{engine.index}-eu-2026.01.01",
        f"{engine.index}-2026.02.07-copy",
        f"{engine.index}-2026.13.01",
    ]
    for name in [*(f"{engine.index}-{day}" for day in days), *others]:
        await engine.call("PUT", f"/{name}")
    async with SearchIndex(engine.options(retention_ms=30 * DAY_MS)) as index:
        now_ms = NOON_MS + 12 * 3_600_000  # the first ms of 2026-03-11: 2026-02-08 ended 30 days ago
        assert await index.drop_expired(now_ms - 1) == [f"{engine.index}-2026.02.07"]
        assert await index.drop_expired(now_ms) == [f"{engine.index}-2026.02.08"]
        assert await index.drop_expired(now_ms) == []
    left = await engine.call("GET", f"/{engine.index}*/_alias")
    assert sorted(left) == sorted([f"{engine.index}-2026.02.09", f"{engine.index}-2026.03.10", *others])


async def test_words_match_page_and_user_name_and_filters_narrow(engine: Engine) -> None:
    async with SearchIndex(engine.options()) as index:
        await index.ensure_template()
    await engine.put(
        click(1),
        click(2, NOON_MS + 1, page_url="/products/2/reviews", action="buy"),
        click(3, NOON_MS + 2, user_id="bob", user_name="Bob Jones", page_url="/cart"),
        click(4, NOON_MS + DAY_MS, user_id="bob", user_name="Bob Jones", page_url="/products/4"),
    )
    n = "user-clicks-0-"
    assert await found(engine) == [f"{n}4", f"{n}3", f"{n}2", f"{n}1"]
    assert await found(engine, q="products") == [f"{n}4", f"{n}2", f"{n}1"]
    assert await found(engine, q="/products/2") == [f"{n}2"]
    assert await found(engine, q="alice products") == [f"{n}2", f"{n}1"]  # each word in either field
    assert await found(engine, q='"Bob Jones"') == [f"{n}4", f"{n}3"]
    assert await found(engine, q="prod* -reviews") == [f"{n}4", f"{n}1"]
    assert await found(engine, q="cart | reviews") == [f"{n}3", f"{n}2"]
    assert await found(engine, user="bob") == [f"{n}4", f"{n}3"]
    assert await found(engine, action="buy") == [f"{n}2"]
    assert await found(engine, **{"from": str(NOON_MS + 1), "to": str(NOON_MS + 2)}) == [f"{n}2"]
    for odd in ('"', "(((", "\\", "* *", "a:b", "~5", "{}", "\ue000"):
        await found(engine, q=odd)  # never an error


async def test_result_has_highlights_histogram_actions_and_pages_as_described(
    engine: Engine, tmp_path: Path
) -> None:
    async with SearchIndex(engine.options()) as index:
        await index.ensure_template()
    every = [click(i, NOON_MS + i * 60_000, action="buy" if i % 5 == 0 else "view") for i in range(45)]
    await engine.put(*every)
    cluster = Cluster(tmp_path, pods=1, search=engine.options())
    async with cluster:
        url = cluster.pods[0].url + "/api/search?q=products&action=view"
        async with cluster.client.get(url + "&page=2") as response:
            assert response.status == 200
            result = await response.json()
        document = description(cluster.options)
    schema = {"$ref": "#/components/schemas/SearchResult", "components": document["components"]}
    jsonschema.Draft202012Validator(schema).validate(result)
    assert (result["total"], result["page"], result["pages"], len(result["hits"])) == (36, 2, 2, 16)
    assert result["partial"] is False
    assert {"text": "products", "hit": True} in result["hits"][0]["highlights"]["page_url"]
    assert {a["action"]: a["clicks"] for a in result["actions"]} == {"view": 36, "buy": 9}
    buckets = result["histogram"]["buckets"]
    assert sum(bucket["clicks"] for bucket in buckets) == 36
    assert 10 <= len(buckets) <= 60
    assert NOON_MS - 3_600_000 < buckets[0]["at_ms"] <= NOON_MS + 60_000


async def test_search_before_the_first_click_is_empty_and_no_error(engine: Engine) -> None:
    async with SearchIndex(engine.options()) as index:
        result = await index.search(parse_search({"q": "anything"}))
    assert (result.total, result.hits, result.histogram.buckets) == (0, (), ())


async def test_deepest_page_is_still_answered(engine: Engine) -> None:
    async with SearchIndex(engine.options()) as index:
        await index.ensure_template()
        await engine.put(click(1))
        result = await index.search(parse_search({"page": "500"}))
    assert (result.total, result.hits) == (1, ())


async def test_pod_puts_the_template_by_itself_and_says_so(engine: Engine, tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=1, search=engine.options())
    async with cluster, asyncio.timeout(180):
        while True:
            url = cluster.pods[0].admin_url + "/status"
            async with cluster.client.get(url, headers=cluster.peer_headers()) as response:
                search = (await response.json())["search"]
            if search["index_ready"]:
                break
            await asyncio.sleep(0.05)
    await engine.call("GET", f"/_index_template/{engine.index}")
