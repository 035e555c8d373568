"""What is not taken, and how it is said: keys, origins, rates, sizes, types, and single events of a batch."""

from pathlib import Path

import pytest
from clickstream_local.testing.eventually import eventually
from collector_support import bodies
from collector_support.running import KEY, RunningCollector

SHOP = "https://shop.example"
PROBLEM = "application/problem+json"


@pytest.mark.parametrize("key", [None, "wk-unknown", "wk-4f1"], ids=["none", "unknown", "cut"])
def test_without_a_valid_key_nothing_is_taken(collector: RunningCollector, key: str | None) -> None:
    answered = collector.post("/v1/clicks", bodies.own("user-no-key"), key=key)
    assert (answered.status, answered.headers["Content-Type"]) == (401, PROBLEM)
    assert answered.json["type"].endswith("/unknown-write-key")
    assert collector.clicks_of("user-no-key") == []


def test_pages_of_other_origins_may_not_use_a_key(collector: RunningCollector) -> None:
    body = bodies.own("user-origin")
    assert collector.post("/v1/clicks", body, {"Origin": "https://evil.example"}, key="wk-shop").status == 403
    answered = collector.post("/v1/clicks", body, {"Origin": SHOP}, key="wk-shop")
    assert answered.status == 200
    assert answered.headers["Access-Control-Allow-Origin"] == SHOP
    assert answered.headers["Access-Control-Allow-Credentials"] == "true"


def test_preflight_gives_back_the_headers_that_a_retry_adds(collector: RunningCollector) -> None:
    asked = {
        "Origin": SHOP,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,rsa-retry-attempt",
    }
    answered = collector.send("OPTIONS", "/v1/track", None, asked)
    assert answered.status == 204
    assert answered.headers["Access-Control-Allow-Headers"] == asked["Access-Control-Request-Headers"]
    assert "POST" in answered.headers["Access-Control-Allow-Methods"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/clicks", [bodies.own("user-rate")] * 9, 429),
        ("/batch/", {"batch": bodies.posthog_node("user-rate")["batch"] * 9}, 503),
    ],
    ids=["429", "posthog"],
)
def test_key_that_sends_too_much_is_told_when_to_come_back(
    collector: RunningCollector, path: str, body: object, status: int
) -> None:
    seen = eventually(
        lambda: next(
            (each for _ in range(9) if (each := collector.post(path, body, key="wk-slow")).status != 200),
            None,
        )
    )
    assert seen.status == status
    assert int(seen.headers["Retry-After"]) >= 1


def test_amplitude_reads_the_status_in_the_body(collector: RunningCollector) -> None:
    answered = collector.post("/2/httpapi", {**bodies.amplitude(), "api_key": "wk-unknown"}, key=None)
    assert (answered.status, answered.json["code"]) == (401, 401)


@pytest.mark.parametrize("chunked", [False, True])
def test_large_body_is_413(collector: RunningCollector, chunked: bool) -> None:
    body = b"[" + b" " * 70_000 + b"]"
    headers = {"X-Write-Key": KEY, **({"Transfer-Encoding": "chunked"} if chunked else {})}
    if chunked:
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    assert collector.send("POST", "/v1/clicks", body, headers).status == 413


def test_many_events_in_one_request_are_413(collector: RunningCollector) -> None:
    assert collector.post("/v1/clicks", b"[" + b"0," * 5_000 + b"0]").status == 413


@pytest.mark.parametrize(
    "headers", [{"Content-Type": "multipart/form-data"}, {"Content-Encoding": "zstd"}], ids=["type", "coding"]
)
def test_unknown_form_of_body_is_415(collector: RunningCollector, headers: dict[str, str]) -> None:
    assert collector.post("/v1/clicks", bodies.own(), headers).status == 415


@pytest.mark.parametrize(("path", "status"), [("/nothing", 404), ("/v1/clicks", 405)])
def test_other_paths_and_methods_are_problems(collector: RunningCollector, path: str, status: int) -> None:
    answered = collector.ask(path)
    assert (answered.status, answered.headers["Content-Type"]) == (status, PROBLEM)


def test_bad_events_of_a_batch_are_dead_letters_and_the_good_ones_are_taken(
    collector: RunningCollector,
) -> None:
    bad = {"user_id": "user-batch", "action": "no page"}
    answered = collector.post("/v1/clicks", [bodies.own("user-batch"), bad, bodies.own("user-batch")])
    assert answered.status == 200
    assert answered.json == {
        "accepted": 2,
        "refused": [{"index": 1, "reason": "missing-field", "detail": "page_url"}],
    }
    assert len(collector.clicks_of("user-batch")) == 2
    (letter,) = [each for each in collector.read(collector.letters) if each.value == bad]
    assert letter.headers == {"reason": "missing-field", "detail": "page_url", "source-path": "/v1/clicks"}


def test_single_click_that_is_none_is_400_and_a_dead_letter(collector: RunningCollector) -> None:
    bad = {"user_id": "user-single", "page_url": "/"}
    answered = collector.post("/v1/clicks", bad)
    assert (answered.status, answered.json["refused"][0]["reason"]) == (400, "missing-field")
    assert bad in [each.value for each in collector.read(collector.letters)]


def test_keys_change_without_a_restart_and_an_unreadable_file_is_503(collector: RunningCollector) -> None:
    before = collector.keys_file.read_text()
    body = bodies.own("user-keys")
    try:
        collector.keys_file.write_text(before + "wk-new\n")
        eventually(lambda: collector.post("/v1/clicks", body, key="wk-new").status == 200)
        collector.keys_file.unlink()
        refused = eventually(
            lambda: each if (each := collector.post("/v1/clicks", body)).status == 503 else None
        )
        assert int(refused.headers["Retry-After"]) >= 1
        assert collector.ask("/readyz", port=collector.admin_port).status == 503
    finally:
        collector.keys_file.write_text(before)
    eventually(lambda: collector.post("/v1/clicks", body).status == 200)


def test_no_key_is_in_the_log(collector: RunningCollector) -> None:
    collector.post("/v1/clicks?writeKey=wk-4f1c", b"{", {"Authorization": "Basic d2stNGYxYzo="})
    collector.send("GET", "/v1/pixel.gif?key=wk-4f1c&page_url=%00")
    text = Path(collector.process.log).read_text()
    assert "wk-" not in text
    assert "d2stNGYxYzo" not in text
