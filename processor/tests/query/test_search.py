"""Searches as structured JSON, and what goes wrong between a pod and the engine; no engine needed."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from clickstream_processor.query.http.problems import Problem
from clickstream_processor.query.search.engine_answer import decode_search
from clickstream_processor.query.search.index import EngineFailed, SearchIndex, SearchOptions
from clickstream_processor.query.search.index_template import template
from clickstream_processor.query.search.query import (
    SearchRequest,
    engine_query,
    parse_search,
    pieces,
    search_result,
)
from hypothesis import given
from hypothesis import strategies as st
from processor_support.queries.query_pods import Cluster


def strings_in(value: object) -> list[str]:
    """Return every string of a JSON document that is a value, not a name."""
    if isinstance(value, dict):
        return [text for child in value.values() for text in strings_in(child)]
    if isinstance(value, list):
        return [text for child in value for text in strings_in(child)]
    return [value] if isinstance(value, str) else []


@given(st.text(max_size=50), st.text(max_size=20))
def test_what_a_person_types_is_only_ever_a_value(text: str, user: str) -> None:
    plain = engine_query(SearchRequest(text="x", user="y"))
    typed = engine_query(SearchRequest(text=text or "x", user=user or "y"))
    replaced = [text or "x" if s == "x" else user or "y" if s == "y" else s for s in strings_in(plain)]
    assert strings_in(typed) == replaced


def test_depth_and_size_are_bounded() -> None:
    deepest = engine_query(parse_search({"page": "500"}))
    assert deepest["from"] + deepest["size"] == 10_000
    with pytest.raises(Problem, match="page"):
        parse_search({"page": "501"})


@pytest.mark.parametrize(
    ("parameters", "wrong"),
    [
        ({"page": "0"}, "page"),
        ({"page": "two"}, "page"),
        ({"from": "-1"}, "from"),
        ({"from": "2023-07-22"}, "from"),
        ({"to": "99999999999999999"}, "to"),
        ({"from": "2", "to": "2"}, "from"),
        ({"q": "x" * 257}, "q"),
        ({"user": "x" * 1025}, "user"),
    ],
    ids=str,
)
def test_malformed_search_names_the_parameter(parameters: dict[str, str], wrong: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_search(parameters)
    assert (caught.value.status, caught.value.extensions["parameter"]) == (400, wrong)


@pytest.mark.parametrize(
    ("marked", "expected"),
    [
        ("plain", [("plain", False)]),
        ("/\ue000products\ue001/1", [("/", False), ("products", True), ("/1", False)]),
        ("\ue000a\ue001\ue000b\ue001", [("a", True), ("b", True)]),
        ("a\ue001b", [("a\ue001b", False)]),
        ("a\ue000b", [("a", False), ("b", True)]),
    ],
    ids=["no hit", "one hit", "hits in a row", "end only", "start only"],
)
def test_highlights_are_pieces_of_text(marked: str, expected: list[tuple[str, bool]]) -> None:
    assert [(piece.text, piece.hit) for piece in pieces(marked)] == expected


@pytest.mark.parametrize(
    ("answer", "partial"),
    [
        ({"timed_out": False, "_shards": {"failed": 0}}, False),
        ({"timed_out": True, "_shards": {"failed": 0}}, True),
        ({"timed_out": False, "_shards": {"failed": 1}}, True),
    ],
    ids=["whole", "out of time", "a shard failed"],
)
def test_incomplete_result_is_marked_partial(answer: dict[str, Any], partial: bool) -> None:
    assert search_result(SearchRequest(), answer).partial is partial


def test_template_declares_the_records_fields_and_those_a_transform_adds() -> None:
    fields = {"section": "STRING", "price": "DOUBLE", "action": "INT", "tags": "LIST<LIST<STRING>>"}
    body = template("clicks", fields, frozenset({"country"}))
    properties = body["template"]["mappings"]["properties"]
    assert body["index_patterns"] == ["clicks-*"]
    assert properties["timestamp"] == {"type": "date", "format": "epoch_millis", "ignore_malformed": True}
    assert properties["page_url"]["fields"]["keyword"]["type"] == "keyword"
    assert properties["event_id"]["ignore_above"] == 512
    assert properties["section"]["type"] == "keyword"
    assert properties["price"]["type"] == "double"
    assert properties["action"]["type"] == "keyword"  # the contract's fields stay as the queries need them
    assert properties["tags"]["type"] == "keyword"
    assert "country" not in properties
    assert body["template"]["mappings"]["dynamic"] is False


Respond = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def against(
    tmp_path: Path, respond: Respond, **options: Any
) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Return what /api/search answers when the engine answers with ``respond``."""
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", respond)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = "http://{}:{}".format(*runner.addresses[0][:2])
    cluster = Cluster(tmp_path, pods=1, search=SearchOptions(url=url, index="clicks", **options))
    try:
        async with cluster, cluster.client.get(cluster.pods[0].url + "/api/search?q=x") as response:
            return response.status, await response.json(content_type=None), dict(response.headers)
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("engine_status", "body", "status", "kind"),
    [
        (503, "{}", 503, "search-unavailable"),
        (429, "{}", 503, "search-unavailable"),
        (400, '{"error": {"root_cause": [{"type": "secret-detail"}]}}', 502, "search-failed"),
        (401, "{}", 502, "search-failed"),
        (302, "", 502, "search-failed"),
        (200, "<html>", 502, "search-failed"),
        (200, "[]", 502, "search-failed"),
    ],
    ids=["unavailable", "too many", "refused", "wrong user", "redirect", "not JSON", "not an object"],
)
async def test_engines_error_is_a_problem_without_its_text(
    tmp_path: Path, engine_status: int, body: str, status: int, kind: str
) -> None:
    async def respond(_: web.Request) -> web.Response:
        return web.Response(status=engine_status, text=body)

    answered, problem, headers = await against(tmp_path, respond)
    assert (answered, problem["type"]) == (status, f"https://clickstream.dev/problems/{kind}")
    assert ("Retry-After" in headers) is (status == 503)
    assert "secret-detail" not in str(problem)


def test_hits_document_is_neither_read_nor_written_anew() -> None:
    document = b'{"b": 1.50, "a": [ 1E2 ], "a": 1e400}'
    body = b'{"took": 3, "other": 1, "hits": {"hits": [{"_id": "1", "_source": ' + document + b"}]}}"
    assert document in msgspec.json.encode(search_result(SearchRequest(), decode_search(body)))


async def test_hits_document_comes_through_the_pod(tmp_path: Path) -> None:
    document = (
        '{"user_id": "a", "big": 123456789012345678901234567890, "one": 1.0, "nested": [[{"x": null}]]}'
    )

    async def respond(_: web.Request) -> web.Response:
        hits = f'[{{"_id": "1", "_source": {document}, "highlight": {{"page_url": ["/p"]}}}}]'
        return web.Response(text=f'{{"took": 3, "hits": {{"total": {{"value": 1}}, "hits": {hits}}}}}')

    status, answer, _ = await against(tmp_path, respond)
    assert (status, answer["total"], answer["took_ms"]) == (200, 1, 3)
    assert json.dumps(answer["hits"][0]["click"]) == document


async def test_engine_that_says_nothing_is_503_after_the_time_out(tmp_path: Path) -> None:
    async def respond(_: web.Request) -> web.Response:
        return await asyncio.Future()

    status, problem, _ = await against(tmp_path, respond, total_timeout_s=0.3)
    assert (status, problem["type"].rpartition("/")[2]) == (503, "search-unavailable")


async def test_engine_away_leaves_the_index_not_ready_and_says_why(tmp_path: Path) -> None:
    async with SearchIndex(SearchOptions(url="http://127.0.0.1:9", index="clicks")) as index:
        with pytest.raises(EngineFailed):
            await index.ensure_template()
        assert not index.ready
        assert "no answer" in index.detail


async def test_user_from_the_mounted_secret_is_sent_and_read_again(tmp_path: Path) -> None:
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "username").write_text("searcher\n")
    seen: list[str] = []

    async def respond(request: web.Request) -> web.Response:
        seen.append(base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode())
        return web.json_response({"acknowledged": True})

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", respond)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = "http://{}:{}".format(*runner.addresses[0][:2])
    async with SearchIndex(SearchOptions(url=url, index="clicks", credentials=folder)) as index:
        with pytest.raises(EngineFailed, match="credentials"):
            await index.ensure_template()
        for password in ("old", "nëw"):
            (folder / "password").write_text(password)
            await index.ensure_template()
    await runner.cleanup()
    assert seen == ["searcher:old", "searcher:nëw"]


@pytest.mark.parametrize("kind", ["DYN", "MAP<STRING, INT>", "LIST<DYN>", "LIST<MAP<STRING, DYN>>", ""])
def test_what_may_be_an_object_is_kept_and_not_indexed(kind: str) -> None:
    properties = template("clicks", {"ctx": kind, "user_name": kind})["template"]["mappings"]["properties"]
    assert properties["ctx"] == properties["user_name"] == {"type": "object", "enabled": False}


@given(st.from_regex(r"[a-c][a-c._-]{0,6}", fullmatch=True), st.from_regex(r"[a-c._-]{1,6}", fullmatch=True))
def test_templates_whose_patterns_meet_have_different_priorities(index: str, more: str) -> None:
    short, long = template(index, {}), template(f"{index}-{more}", {})
    assert long["priority"] > short["priority"]


async def test_pipeline_without_a_search_index_says_404(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, pods=1)
    async with cluster, cluster.client.get(cluster.pods[0].url + "/api/search?q=x") as response:
        assert response.status == 404
        assert (await response.json(content_type=None))["type"].endswith("/no-search-index")
