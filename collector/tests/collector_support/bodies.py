"""Bodies as SDKs send them: one event of each vocabulary, `alice123` adds to the cart on the shop's page.

The shapes were recorded from the SDKs at their versions of November 2026.
"""

import base64
import json
from typing import Any

EVENT_MS = 1_795_875_262_626
EVENT_ISO = "2026-11-28T14:14:22.626Z"
URL = "https://www.example.com/shop"
USER = "alice123"
ACTION = "add_to_cart"

_CART: dict[str, Any] = {"product": {"id": "sku-42"}, "quantity": 2}


def segment_node(user: str = USER, sent: str = EVENT_ISO, **more: Any) -> dict[str, Any]:
    """Return @segment/analytics-node's batch."""
    event = {
        "type": "track",
        "event": ACTION,
        "userId": user,
        "messageId": "node-next-1795875262626-07ae53b9",
        "timestamp": EVENT_ISO,
        "properties": dict(_CART),
        "context": {"userAgent": "Mozilla/5.0 (X11; Linux x86_64)", "page": {"url": URL}},
        **more,
    }
    return {"batch": [event], "writeKey": "wk-4f1c", "sentAt": sent}


def segment_python(user: str = USER) -> dict[str, Any]:
    """Return segment-analytics-python's batch: nulls, and an offset instead of Z."""
    return segment_node(user, anonymousId=None, timestamp="2026-11-28T14:14:22.626000+00:00")


def rudder_node(user: str = USER) -> dict[str, Any]:
    """Return RudderStack node's batch: the time is in `originalTimestamp`, the key only in the headers."""
    event = {
        "type": "track",
        "event": ACTION,
        "userId": user,
        "originalTimestamp": EVENT_ISO,
        "sentAt": EVENT_ISO,
        "messageId": "4c5a6a47-0000-4000-8000-000000000001",
        "channel": "server",
        "properties": dict(_CART),
        "context": {"page": {"url": URL}},
    }
    return {"batch": [event], "timestamp": EVENT_ISO, "sentAt": EVENT_ISO}


def rudder_js(user: str = USER) -> dict[str, Any]:
    """Return RudderStack's browser event, which is the whole body of /v1/track."""
    event: dict[str, Any] = rudder_node(user)["batch"][0]
    return {
        **event,
        "channel": "web",
        "anonymousId": "b1f0",
        "context": {"sessionId": 1795875572219, "page": {"url": URL}},
    }


def posthog_node(user: str = USER, sent: str = EVENT_ISO) -> dict[str, Any]:
    """Return posthog-node's batch."""
    event = {
        "event": ACTION,
        "distinct_id": user,
        "uuid": "01a22281-0000-7000-8000-000000000001",
        "timestamp": EVENT_ISO,
        "properties": {**_CART, "$current_url": URL, "$lib": "posthog-node"},
    }
    return {"api_key": "wk-4f1c", "batch": [event], "sent_at": sent}


def posthog_js(user: str = USER) -> dict[str, Any]:
    """Return posthog-js's batch: id and key are in the properties too."""
    event = {
        "uuid": "01a22281-0000-7000-8000-000000000002",
        "event": ACTION,
        "timestamp": EVENT_ISO,
        "properties": {
            **_CART,
            "distinct_id": user,
            "token": "wk-4f1c",
            "$session_id": "01a2-session",
            "$current_url": URL,
        },
    }
    return {"api_key": "wk-4f1c", "batch": [event], "sent_at": EVENT_ISO}


def snowplow(user: str = USER) -> dict[str, Any]:
    """Return a Snowplow tracker's POST with an event of one's own; `aid` is the write key."""
    return {
        "schema": "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4",
        "data": [_snowplow(user)],
    }


def snowplow_query(user: str = USER) -> dict[str, str]:
    """Return the parameters of a Snowplow GET: the event's data in base64url without padding."""
    event = _snowplow(user)
    text = event.pop("ue_pr")
    return {**event, "ue_px": base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")}


def _snowplow(user: str) -> dict[str, str]:
    inner = {"schema": f"iglu:com.example/{ACTION}/jsonschema/1-0-0", "data": dict(_CART)}
    outer = {"schema": "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0", "data": inner}
    return {
        "e": "ue",
        "eid": "5f3c0000-0000-4000-8000-000000000001",
        "uid": user,
        "duid": "d-1",
        "sid": "s-1",
        "aid": "wk-4f1c",
        "url": URL,
        "dtm": str(EVENT_MS),
        "stm": str(EVENT_MS),
        "ue_pr": json.dumps(outer),
    }


def amplitude(user: str = USER) -> dict[str, Any]:
    """Return Amplitude's batch."""
    event = {
        "event_type": ACTION,
        "user_id": user,
        "device_id": "d-1",
        "session_id": 1795875631376,
        "time": EVENT_MS,
        "insert_id": "7d1f",
        "event_properties": {**_CART, "[Amplitude] Page Location": URL},
    }
    return {"api_key": "wk-4f1c", "events": [event]}


def mixpanel(user: str = USER) -> list[dict[str, Any]]:
    """Return mixpanel-browser's list."""
    properties = {
        **_CART,
        "token": "wk-4f1c",
        "distinct_id": user,
        "$insert_id": "41efha5qhit966o4",
        "time": EVENT_MS / 1_000,
        "$current_url": URL,
    }
    return [{"event": ACTION, "properties": properties}]


def own(user: str = USER) -> dict[str, Any]:
    """Return a click of our own."""
    return {
        "user_id": user,
        "page_url": URL,
        "action": ACTION,
        "timestamp": EVENT_MS,
        "message_id": "m-1",
        "properties": dict(_CART),
    }


def form(document: object) -> bytes:
    """Return a document as mixpanel-browser and posthog-js beacons send it: base64 in the field `data`."""
    return b"data=" + base64.b64encode(json.dumps(document).encode()).replace(b"+", b"%2B").replace(
        b"=", b"%3D"
    )
