"""Dead letters by the API: any record is shown, pages go on where the last one ended, a scan has bounds."""

import asyncio
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.fixtures import Topics
from clickstream_processor.query.letters.desk import AT_ONCE
from clickstream_processor.query.letters.scan import ScanLimits
from processor_support.queries.letter_box import (
    MINUTE,
    TOTAL,
    LetterBox,
    fill,
    pod_headers,
    reading,
    sink_headers,
)
from processor_support.queries.openapi_check import check, description
from processor_support.queries.query_pods import Cluster, now_ms

pytestmark = pytest.mark.real
Json = dict[str, Any]
PATIENT = aiohttp.ClientTimeout(total=180)


@pytest.fixture
def box(kafka: Kafka, topics: Topics, tmp_path: Path) -> LetterBox:
    return LetterBox(kafka, topics, tmp_path)


async def ask(cluster: Cluster, path: str = "", status: int = 200, **parameters: Any) -> Json:
    """Return what the pod answers."""
    given = [(n, each) for n, v in parameters.items() for each in (v if isinstance(v, list) else [v])]
    url = f"{cluster.pods[0].url}/api/letters{path}"
    async with cluster.client.get(url, params=given, timeout=PATIENT) as response:
        body: Json = await response.json(content_type=None)
        assert response.status == status, body
        return body


async def all_pages(cluster: Cluster, **parameters: Any) -> list[Json]:
    """Return the letters of all pages."""
    found: list[Json] = []
    page = await ask(cluster, **parameters)
    while True:
        found += page["letters"]
        if page["next"] is None:
            return found
        page = await ask(cluster, **parameters, before=page["next"])


def places(letters: list[Json]) -> list[tuple[int, int]]:
    return [(each["place"]["partition"], each["place"]["offset"]) for each in letters]


async def test_letters_come_newest_first_and_each_once_whatever_the_page(box: LetterBox) -> None:
    fill(box)
    async with reading(box) as cluster:
        whole = await all_pages(cluster, limit=100)
        assert len(whole) == TOTAL
        first_partition = [each for each in whole if each["place"]["partition"] == 0]
        assert places(first_partition) == sorted(places(first_partition), reverse=True)
        assert whole[0]["at_ms"] == max(each["at_ms"] for each in whole)
        for limit in (1, 7):
            assert places(await all_pages(cluster, limit=limit)) == places(whole)


async def test_reason_time_source_and_partition_filter(box: LetterBox) -> None:
    fill(box)
    async with reading(box) as cluster:
        late = await all_pages(cluster, reason="late", limit=4)
        assert [each["reason"] for each in late] == ["late"] * 9
        both = await all_pages(cluster, reason=["late", "mistyped-field"], limit=10)
        assert len(both) == 33
        (tracked,) = await all_pages(cluster, source="collector")
        assert (tracked["path"], tracked["first"], tracked["key"]) == ("/v1/batch", None, None)
        (refused,) = await all_pages(cluster, source="sink")
        assert (refused["reason"], refused["connector"]) == ("rejected", "storefront-search")
        assert refused["first"] == {"topic": "enriched-clicks", "partition": 0, "offset": 7}
        of_enriched = await all_pages(cluster, partition=0, limit=5)
        assert [each["source"] for each in of_enriched] == ["sink"]
        assert len(await all_pages(cluster, partition=1, limit=30)) == 33
        assert await all_pages(cluster, partition=2) == [], "a collector's letter has no first place"
        since = now_ms() - 4 * MINUTE
        assert {each["source"] for each in await all_pages(cluster, **{"from": since})} == {
            "sink",
            "collector",
        }
        older = await all_pages(cluster, to=since, limit=9)
        assert len(older) == 33
        assert await all_pages(cluster, **{"from": "2099-01-01T00:00:00Z"}) == []


async def test_summary_counts_by_reason_and_time(box: LetterBox) -> None:
    fill(box)
    async with reading(box) as cluster:
        summary = await ask(cluster, "/summary")
        counts = {each["reason"]: each["letters"] for each in summary["reasons"]}
        assert counts == {"mistyped-field": 24, "late": 9, "rejected": 1, "missing-field": 1}
        assert list(counts) == ["mistyped-field", "late", "missing-field", "rejected"]
        assert all(each["fix"] for each in summary["reasons"])
        assert (summary["complete"], summary["total"], summary["scanned"]) == (True, TOTAL, TOTAL)
        assert sum(n for bucket in summary["buckets"] for n in bucket["reasons"].values()) == TOTAL
        assert summary["pipeline"] == {"name": "storefront", "namespace": "shop"}
        sink = await ask(cluster, "/summary", source="sink")
        assert sink["total"] == 1


async def test_summary_says_how_far_it_looked(box: LetterBox) -> None:
    for number in range(600):
        box.put(b"x", pod_headers("not-json"), partition=0, ago_ms=(600 - number) * MINUTE)
    box.flush()
    limits = ScanLimits(records=100, first=16, enough_s=60, last_s=120)
    async with reading(box, limits) as cluster:
        summary = await ask(cluster, "/summary")
        assert summary["complete"] is False
        assert 100 <= summary["total"] == summary["scanned"] < 600
        expected_ms = now_ms() - summary["total"] * MINUTE
        assert abs(summary["complete_from_ms"] - expected_ms) < 10 * MINUTE
        # A page that finds nothing within the bounds says where to go on, and the pages reach the end.
        page = await ask(cluster, reason="never")
        assert page["letters"] == []
        assert page["next"]
        assert await all_pages(cluster, reason="never") == []
        assert len(await all_pages(cluster, limit=100)) == 600


async def test_letter_has_its_bytes_and_headers(box: LetterBox) -> None:
    box.put(b"\x1f\x8b\x08\x00", pod_headers("not-json") | {"x-binary": b"\xff\xfe", "x-null": None})
    box.flush()
    async with reading(box) as cluster:
        letter = await ask(cluster, "/0/0")
        assert letter["value"] == {"encoding": "hex", "data": "1f8b0800", "size": 4, "cut": False}
        assert letter["first"] == {"topic": "user-clicks", "partition": 1, "offset": 42}
        headers = {each["name"]: each["value"] for each in letter["headers"]}
        assert headers["x-binary"] == {"encoding": "hex", "data": "fffe", "size": 2, "cut": False}
        assert headers["x-null"] is None
        assert "gzip" in letter["fix"]
        for path in ("/0/1", "/0/999999999999", "/9/0"):
            assert (await ask(cluster, path, 404))["type"].endswith("/unknown-letter")
        await ask(cluster, f"/0/{'9' * 30}", 400)


async def test_any_record_is_shown(box: LetterBox) -> None:
    whole = json.dumps({"text": "ä" * 600_000}, ensure_ascii=False)
    records: list[tuple[bytes | str | None, dict[str, Any], bytes | str | None]] = [
        (None, {}, None),
        (b"", {}, b""),
        (b"\x00text", {}, b"\xff"),
        (b"1" + b"0" * 400, {}, "n"),
        (rb'{"page_url": "\ud83d"}', {}, "surrogate"),
        ("\u202eabc <script>alert(1)</script>", pod_headers("mistyped-field", "\u202e<b>"), "<i>"),
        (whole, pod_headers("oversized"), "large"),
        (b"cut", pod_headers("oversized", **{"original-size": "1000000"}), "cut"),
        (b"x", {"source-topic": b"\xff", "source-partition": "-1", "source-offset": b"\xc3\x28"}, "odd"),
        (b"x", pod_headers("late", attempt="2", replay="first", history="late"), "again"),
        (b"x", pod_headers("late", attempt="9" * 99), "absurd"),
        (b"x", sink_headers("the engine is on fire"), "other"),
        (b"x", {"reason": b"\xff\x00", "detail": None}, "binary"),
        (b"x", {f"h{n}": "v" * 100 for n in range(300)}, "many"),
    ]
    for value, headers, key in records:
        box.put(value, headers, key=key)
    box.aborted(3)
    box.put(b"last", {"reason": "x" * 5_000}, key="last")
    box.flush()
    async with reading(box) as cluster:
        page = await ask(cluster, limit=100)
        letters = {each["place"]["offset"]: each for each in page["letters"]}
        assert len(letters) == len(records) + 1, "one is not shown, or one that was given up is"
        assert (letters[0]["key"], letters[0]["value"], letters[0]["reason"]) == (None, None, "unknown")
        assert letters[1]["value"] == {"encoding": "text", "data": "", "size": 0, "cut": False}
        assert letters[2]["value"]["encoding"] == "hex"
        assert letters[3]["value"]["data"] == "1" + "0" * 400
        assert letters[4]["value"]["data"] == r'{"page_url": "\ud83d"}'
        assert letters[5]["value"]["data"].startswith("\u202eabc <script>")
        assert letters[6]["value"]["cut"]
        assert letters[6]["value"]["size"] == len(whole.encode())
        assert letters[6]["value"]["encoding"] == "text"
        assert len(letters[6]["value"]["data"]) < 2_000
        assert letters[7]["original_size"] == 1_000_000
        assert (letters[8]["source"], letters[8]["first"]) == ("pod", None)
        assert (letters[9]["attempt"], letters[9]["replay"], letters[9]["history"]) == (2, "first", "late")
        assert letters[10]["attempt"] is None
        assert (letters[11]["reason"], letters[11]["detail"]) == ("unknown", "the engine is on fire")
        assert letters[12]["reason"] == "\\xff\x00"
        for offset in letters:
            assert (await ask(cluster, f"/0/{offset}"))["place"]["offset"] == offset
        assert len((await ask(cluster, "/0/6"))["value"]["data"]) > 100_000


@pytest.mark.skipif(shutil.which("kcat") is None, reason="only kcat can write such a header")
async def test_header_whose_name_is_no_text_hides_no_other_letter(box: LetterBox) -> None:
    box.put(b"first", pod_headers("late"))
    box.flush()
    where = ["-b", box.kafka.bootstrap, "-t", box.topic, "-p", "0"]
    command: list[str | bytes] = ["kcat", "-P", *where, "-H", b"\xff\xfe=1"]
    subprocess.run(command, input=b"odd", check=True)
    box.put(b"last", pod_headers("not-json"))
    box.flush()
    async with reading(box) as cluster:
        letters = (await ask(cluster))["letters"]
        assert [each["value"]["data"] for each in letters] == ["last", "odd", "first"]
        assert [each["reason"] for each in letters] == ["not-json", "unknown", "late"]
        assert (await ask(cluster, "/0/1"))["headers"] == []
        assert (await ask(cluster, "/summary"))["total"] == 3


@pytest.mark.parametrize(
    ("parameters", "wrong"),
    [
        ({"limit": 101}, "limit"),
        ({"limit": 0}, "limit"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-11-30T12:00:00"}, "from"),
        ({"to": "-1"}, "to"),
        ({"from": 5, "to": 5}, "from"),
        ({"source": "nobody"}, "source"),
        ({"partition": "x"}, "partition"),
        ({"before": "%%%"}, "before"),
        ({"before": "gA"}, "before"),
        ({"reason": ["x"] * 33}, "reason"),
        ({"reason": ""}, "reason"),
        ({"page": 2}, "page"),
        ({"limit": [1, 2]}, "limit"),
    ],
)
async def test_what_cannot_be_asked_is_refused_with_its_name(
    tmp_path: Path, parameters: Json, wrong: str
) -> None:
    async with Cluster(tmp_path, pods=1) as cluster:
        assert (await ask(cluster, status=400, **parameters))["parameter"] == wrong


async def test_pod_without_letters_says_so(tmp_path: Path) -> None:
    async with Cluster(tmp_path, pods=1) as cluster:
        for path in ("", "/summary", "/0/0"):
            assert (await ask(cluster, path, 404))["type"].endswith("/no-dead-letters")


async def test_topic_that_is_not_there_is_a_503_with_words(box: LetterBox) -> None:
    cluster = Cluster(box.folder, pods=1, letters=box.of("no-such-topic"))
    async with cluster:
        problem = await ask(cluster, status=503)
    assert problem["type"].endswith("/letters-unavailable")
    assert "no-such-topic" in problem["detail"]


async def test_few_questions_read_at_once_and_the_loop_stays_free(box: LetterBox) -> None:
    fill(box)
    async with reading(box, letter_wait_s=0.0) as cluster:
        url = cluster.pods[0].url + "/api/letters/summary"

        async def status() -> int:
            async with cluster.client.get(url, timeout=PATIENT) as response:
                return response.status

        statuses: list[int] = []
        while 503 not in statuses:  # on a busy machine some come one after the other
            statuses += await asyncio.gather(*(status() for _ in range(4 * AT_ONCE)))
        assert set(statuses) == {200, 503}
        assert statuses.count(200) >= AT_ONCE
        assert (await ask(cluster))["letters"], "no turn was given back"


async def test_answers_are_as_the_description_says(box: LetterBox) -> None:
    fill(box)
    box.put(b"\xff", {"h": None, "b": b"\x00"}, key=None)
    box.flush()
    one = "/api/letters/{partition}/{offset}"
    async with reading(box) as cluster:
        document = await description(cluster)
        check(document, "/api/letters", 200, await ask(cluster, limit=100))
        check(document, "/api/letters", 400, await ask(cluster, status=400, limit=0))
        check(document, "/api/letters/summary", 200, await ask(cluster, "/summary"))
        for partition, offset in places((await ask(cluster, limit=100))["letters"]):
            check(document, one, 200, await ask(cluster, f"/{partition}/{offset}"))
        check(document, one, 404, await ask(cluster, "/0/99", 404))


async def test_tokens_guard_letters(box: LetterBox, tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("sesame")
    async with reading(box, tokens=tmp_path / "tokens") as cluster:
        for path in ("", "/summary", "/0/0"):
            await ask(cluster, path, 401)
