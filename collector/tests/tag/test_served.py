"""`/tag.js` as the collector serves it: small, compressed, cached, for any page, and what the source says."""

import gzip
import subprocess
from pathlib import Path

import brotli
import pytest
from clickstream_collector.http.tag import FILE, encoding_for
from clickstream_local.pipeline.options import REPOSITORY
from collector_support.running import RunningCollector

MOST_BYTES = 3 * 1024  # compressed with gzip


def test_the_script_is_small() -> None:
    assert len(gzip.compress(FILE.read_bytes(), 9)) <= MOST_BYTES


@pytest.mark.real  # esbuild and tsc
def test_the_script_is_what_the_source_says(tmp_path: Path) -> None:
    subprocess.run([REPOSITORY / "scripts/tag", tmp_path / "tag.js"], check=True)
    assert FILE.read_bytes() == (tmp_path / "tag.js").read_bytes(), "run `make tag`"


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip;q=0.5", "gzip"),
        ("br;q=0, GZIP", "gzip"),
        ("br; q=0.000, *", "gzip"),
        ("*", "br"),
        ("identity", "identity"),
        ("gzip;q=0", "identity"),
        ("", "identity"),
    ],
)
def test_the_smallest_encoding_that_is_allowed(accepted: str, encoding: str) -> None:
    assert encoding_for(accepted) == encoding


def test_each_encoding_is_the_same_script(collector: RunningCollector) -> None:
    etags = set()
    for encoding, decode in (("br", brotli.decompress), ("gzip", gzip.decompress), ("identity", bytes)):
        answer = collector.ask("/tag.js", {"Accept-Encoding": encoding})
        assert (answer.status, decode(answer.body)) == (200, FILE.read_bytes())
        assert answer.headers.get("Content-Encoding", "identity") == encoding
        assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "max-age=3600" in answer.headers["Cache-Control"]
        etags.add(answer.headers["ETag"])
    assert len(etags) == 3


def test_who_has_the_script_is_told_so(collector: RunningCollector) -> None:
    first = collector.ask("/tag.js", {"Accept-Encoding": "br"})
    for known in (first.headers["ETag"], f'"other", W/{first.headers["ETag"]}', "*"):
        again = collector.ask("/tag.js", {"Accept-Encoding": "br", "If-None-Match": known})
        assert (again.status, again.body, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    plain = collector.ask("/tag.js", {"If-None-Match": first.headers["ETag"]})
    assert plain.status == 200  # of another encoding


def test_head_options_and_what_is_not_allowed(collector: RunningCollector) -> None:
    head = collector.send("HEAD", "/tag.js", headers={"Accept-Encoding": "gzip"})
    got = collector.ask("/tag.js", {"Accept-Encoding": "gzip"})
    assert (head.status, head.body, head.headers["ETag"]) == (200, b"", got.headers["ETag"])
    assert head.headers["Content-Length"] == str(len(got.body))
    asked = {"Origin": "https://any.example", "Access-Control-Request-Headers": "x-one"}
    options = collector.send("OPTIONS", "/tag.js", headers=asked)
    assert options.status == 204
    assert options.headers["Access-Control-Allow-Origin"] == "*"
    assert options.headers["Access-Control-Allow-Headers"] == "x-one"
    assert collector.post("/tag.js", {}).status == 405
