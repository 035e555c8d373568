"""Bodies of requests as SDKs and our own clients send them, with a place for each event's message id."""

import json
from dataclasses import dataclass
from typing import Any

AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 "
    "Safari/537.36"
)
KEY = "wk-bench"
OWN, SEGMENT = "own", "segment"
USERS = 50  # in a batch each event has a user of its own, so the records go to all partitions
_HERE = "@id@"


@dataclass(frozen=True, slots=True)
class Form:
    """A request: its path, its headers, and its body with a gap for each message id."""

    path: str
    head: str
    parts: tuple[str, ...]

    @property
    def events(self) -> int:
        """Return how many events a request has."""
        return len(self.parts) - 1


def form(kind: str, events: int, sent_iso: str) -> Form:
    """Return a request of so many events, sent at a time of ISO 8601."""
    if kind == OWN:
        clicks = [_own(number, sent_iso) for number in range(events)]
        return _form("/v1/clicks", clicks if events > 1 else clicks[0])
    batch = [_segment(number, sent_iso) for number in range(events)]
    return _form("/v1/batch", {"batch": batch, "sentAt": sent_iso, "writeKey": KEY})


def _form(path: str, document: Any) -> Form:
    head = (
        "Host: collector\r\nContent-Type: application/json\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n"
        f"X-Write-Key: {KEY}\r\nUser-Agent: {AGENT}\r\n"
    )
    return Form(path, head, tuple(json.dumps(document, separators=(",", ":")).split(_HERE)))


def _own(number: int, sent_iso: str) -> dict[str, Any]:
    return {
        "user_id": f"user-{number % USERS:05d}",
        "page_url": f"https://shop.example.com/products/shoes-{number}?utm_source=news",
        "action": "add_to_cart",
        "timestamp": sent_iso,
        "message_id": _HERE,
        "session_id": f"session-{number:08d}",
        "properties": {"product_id": f"sku-{number}", "price": 49.95, "currency": "EUR", "quantity": 1},
    }


def _segment(number: int, sent_iso: str) -> dict[str, Any]:
    page = {
        "path": f"/products/shoes-{number}",
        "referrer": "https://www.example.org/",
        "search": "?utm_source=news",
        "title": "Shoes - the shop",
        "url": f"https://shop.example.com/products/shoes-{number}?utm_source=news",
    }
    return {
        "type": "track",
        "event": "Product Added",
        "userId": f"user-{number % USERS:05d}",
        "anonymousId": f"0c7d3f3a-5f0e-4a2b-9a5b-{number:012d}",
        "messageId": _HERE,
        "timestamp": sent_iso,
        "properties": {"product_id": f"sku-{number}", "price": 49.95, "currency": "EUR", "quantity": 1},
        "context": {
            "page": page,
            "userAgent": AGENT,
            "locale": "en-GB",
            "timezone": "Europe/Berlin",
            "library": {"name": "analytics.js", "version": "npm:next-1.84.3"},
        },
        "integrations": {},
    }
