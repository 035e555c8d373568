"""Calls an SDK as a test says: a line of JSON in, a line out with the clock around the call."""

import json
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

PAGE = "https://www.example.com/shop/mug?ref=mail"
PROPS = {
    "product": {"id": "sku-42", "name": "Red mug", "price": 12.5, "tags": ["kitchen", "sale"]},
    "quantity": 2,
    "currency": "EUR",
    "gift": False,
    "note": None,
}


def moment(at_ms: int) -> datetime:
    """Return a time in ms since the epoch as the SDKs want it."""
    return datetime.fromtimestamp(at_ms / 1_000, UTC)


def drive(**calls: Callable[..., Any]) -> None:
    """Run until the input ends."""
    for line in sys.stdin:
        name, *given = json.loads(line)
        began = int(time.time() * 1_000)
        calls[name](*given)
        print(json.dumps({"began": began, "ended": int(time.time() * 1_000)}), flush=True)
    os._exit(0)  # without the SDK's last try: the test has what it waited for
