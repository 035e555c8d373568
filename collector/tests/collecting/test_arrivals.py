"""What SDKs send arrives in the clicks topic: each vocabulary by its own path, in its own wrapping."""

import gzip
import json
import socket
from typing import Any
from urllib.parse import urlencode

import brotli
import pytest
from clickstream_local.machine.ports import HOST
from collector_support import bodies
from collector_support.bodies import ACTION, EVENT_MS, URL, form
from collector_support.running import RunningCollector

BASIC = {"Authorization": "Basic d2stNGYxYzo="}
JSON = {"Content-Type": "application/json"}


def dumped(document: object) -> bytes:
    return json.dumps(document).encode()


WAYS: dict[str, Any] = {
    "own": ("/v1/clicks", lambda user: dumped(bodies.own(user)), {"X-Write-Key": "wk-4f1c"}, None),
    "own-list": ("/v1/clicks?key=wk-4f1c", lambda user: dumped([bodies.own(user)]), JSON, None),
    "own-lines": (
        "/v1/clicks?key=wk-4f1c",
        lambda user: dumped(bodies.own(user)) + b"\n",
        {"Content-Type": "application/x-ndjson"},
        None,
    ),
    "segment-node": ("/v1/batch", lambda user: dumped(bodies.segment_node(user)), JSON, {"success": True}),
    "segment-python": (
        "/v1/batch",
        lambda user: dumped(bodies.segment_python(user)),
        BASIC,
        {"success": True},
    ),
    "segment-browser": (
        "/v1/t",
        lambda user: dumped(bodies.segment_node(user)["batch"][0]),
        {**BASIC, "Content-Type": "text/plain"},
        {"success": True},
    ),
    "rudder-node": (
        "/v1/batch",
        lambda user: gzip.compress(dumped(bodies.rudder_node(user))),
        {**BASIC, "Content-Type": "application/x-www-form-urlencoded", "Content-Encoding": "gzip"},
        {"success": True},
    ),
    "rudder-js": (
        "/v1/track",
        lambda user: dumped(bodies.rudder_js(user)),
        {**BASIC, "Content-Type": "application/json;charset=UTF-8"},
        {"success": True},
    ),
    "rudder-beacon": (
        "/beacon/v1/batch?writeKey=wk-4f1c",
        lambda user: dumped(bodies.rudder_node(user)),
        {"Content-Type": "text/plain"},
        {"success": True},
    ),
    "posthog-node": (
        "/batch/",
        lambda user: gzip.compress(dumped(bodies.posthog_node(user))),
        {**JSON, "Content-Encoding": "gzip"},
        {"status": 1},
    ),
    "posthog-js": (
        "/e/?ip=1",
        lambda user: gzip.compress(dumped(bodies.posthog_js(user))),
        {"Content-Type": "text/plain"},
        {"status": 1},
    ),
    "posthog-beacon": (
        "/e/?compression=base64",
        lambda user: form(bodies.posthog_js(user)),
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"status": 1},
    ),
    "snowplow": (
        "/com.snowplowanalytics.snowplow/tp2",
        lambda user: dumped(bodies.snowplow(user)),
        {"Content-Type": "application/json; charset=UTF-8"},
        None,
    ),
    "amplitude": (
        "/2/httpapi",
        lambda user: dumped(bodies.amplitude(user)),
        JSON,
        {"code": 200, "events_ingested": 1},
    ),
    "mixpanel-browser": (
        "/track/?verbose=1&ip=1&_=1",
        lambda user: form(bodies.mixpanel(user)),
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"status": 1},
    ),
    "mixpanel-beacon": (
        "/track/",
        lambda user: form(bodies.mixpanel(user)),
        {"Content-Type": "text/plain"},
        1,
    ),
    "brotli": (
        "/v1/batch",
        lambda user: brotli.compress(dumped(bodies.segment_node(user))),
        {**JSON, "Content-Encoding": "br"},
        {"success": True},
    ),
}


def assert_arrived(collector: RunningCollector, user: str) -> dict[str, Any]:
    """Check the only click of a user, and return it."""
    (click,) = collector.clicks_of(user)
    assert (click["user_id"], click["page_url"], click["action"]) == (user, URL, ACTION)
    assert click["reported_at"] == EVENT_MS
    assert click["timestamp"] == EVENT_MS or click["sent_at"]
    assert click["properties"]["product"] == {"id": "sku-42"}
    assert b"wk-4f1c" not in dumped(click)
    found: dict[str, Any] = click
    return found


@pytest.mark.parametrize("way", WAYS)
def test_event_arrives(collector: RunningCollector, way: str) -> None:
    path, body, headers, answer = WAYS[way]
    user = f"user-{way}"
    answered = collector.post(path, body(user), headers, key=None)
    assert answered.status == 200, answered.body
    assert answer is None or answered.json == answer
    assert_arrived(collector, user)


@pytest.mark.parametrize("name", ["snowplow", "mixpanel"])
def test_event_in_a_query_arrives(collector: RunningCollector, name: str) -> None:
    user = f"user-get-{name}"
    if name == "snowplow":
        answered = collector.ask("/i?" + urlencode(bodies.snowplow_query(user)))
        assert answered.body.startswith(b"GIF89a")
    else:
        query = form(bodies.mixpanel(user)).decode()
        answered = collector.ask(f"/track?ip=0&verbose=0&{query}")
        assert answered.body == b"1"
    assert answered.status == 200
    assert_arrived(collector, user)


def test_pixel_writes_a_click(collector: RunningCollector) -> None:
    click = {"user_id": "user-pixel", "page_url": "/mail", "action": "open", "key": "wk-4f1c"}
    answered = collector.ask("/v1/pixel.gif?" + urlencode(click))
    assert (answered.status, answered.headers["Content-Type"]) == (200, "image/gif")
    (found,) = collector.clicks_of("user-pixel")
    assert (found["page_url"], found["action"], found["timestamp"]) == ("/mail", "open", found["received_at"])
    assert "key" not in found


def test_identify_writes_the_pair_under_the_previous_id(collector: RunningCollector) -> None:
    event = {"type": "identify", "userId": "user-known", "anonymousId": "b1f0"}
    assert collector.post("/v1/identify", event).status == 200
    (pair,) = [each for each in collector.read(collector.identities) if each.value["user_id"] == "user-known"]
    assert (pair.key, pair.value["previous_id"]) == ("anon:b1f0", "anon:b1f0")


def test_address_comes_from_the_proxy_and_is_shortened(collector: RunningCollector) -> None:
    headers = {"X-Forwarded-For": "198.51.100.77", "User-Agent": "Mozilla/5.0 (X11; Linux x86_64)"}
    assert collector.post("/v1/clicks", bodies.own("user-address"), headers).status == 200
    (click,) = collector.clicks_of("user-address")
    assert (click["ip"], click["user_agent"]) == ("198.51.100.0", headers["User-Agent"])


def test_a_forged_address_in_a_header_of_its_own_is_not_believed(collector: RunningCollector) -> None:
    body = json.dumps(bodies.own("user-forged")).encode()
    head = (
        f"POST /v1/clicks?key=wk-4f1c HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 1.2.3.4\r\n"
        f"X-Forwarded-For: 198.51.100.77\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection((HOST, collector.port), timeout=180) as connection:
        connection.sendall(head.encode() + body)
        assert b" 200 " in connection.recv(4_096)
    (click,) = collector.clicks_of("user-forged")
    assert click["ip"] == "198.51.100.0"


def test_fields_of_our_own_clicks_pass_through(collector: RunningCollector) -> None:
    assert collector.post("/v1/clicks", {**bodies.own("user-fields"), "shop": "north"}).status == 200
    (click,) = collector.clicks_of("user-fields")
    assert click["shop"] == "north"


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("/v1/projects/wk-4f1c/settings", {"integrations": {"Segment.io": {"apiKey": "wk-4f1c"}}}),
        ("/array/wk-4f1c/config", {"supportedCompression": ["gzip", "gzip-js"]}),
    ],
)
def test_what_sdks_ask_at_their_start_is_answered(collector: RunningCollector, path: str, part: Any) -> None:
    answered = collector.ask(path, {"Origin": "https://any.example"})
    assert answered.status == 200
    assert part.items() <= answered.json.items()
    assert answered.headers["Access-Control-Allow-Origin"] == "https://any.example"
