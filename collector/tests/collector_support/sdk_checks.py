"""What the clicks of an SDK must say: what was called, and nothing else."""

from typing import Any

from collector_support.sdk_pages import PageSdk
from collector_support.sdk_runs import ANOTHER, Driven

PAGE = "https://www.example.com/shop/mug?ref=mail"  # of the programs on servers
LOADED = "$pageview"  # posthog-js counts the page itself when it loads, of a visitor it does not know yet


def wrong(each: Driven, clicks: list[Any]) -> list[str]:
    """Return what is wrong with an SDK's clicks. All records of an event must say the same."""
    clicks = [click for click in clicks if click["action"] != ANOTHER]
    told = {click.get("message_id", number): click for number, click in enumerate(clicks)}
    found = []
    if sorted(click["action"] for click in told.values()) != sorted(each.sdk.actions):
        found.append(f"not one event a call: {[(key, click['action']) for key, click in told.items()]}")
    for number, click in enumerate(clicks):
        first = told[click.get("message_id", number)]
        checks = {
            "another user": click["user_id"] == each.user and click["source"] == each.sdk.source,
            "another page": has_page(each, click),
            "another time": has_time(each, click),
            "other properties": has_properties(click),
            "unlike its first record": _said(click) == _said(first),
        }
        found += [f"{what}: {click}" for what, is_right in checks.items() if not is_right]
    return found


def has_page(each: Driven, click: Any) -> bool:
    """Tell whether a click has the address of its call; a server's identify has none."""
    paged = each.sdk.actions[-2:] if each.sdk.pages is None else each.sdk.pages
    page = each.program.page.url if isinstance(each.program, PageSdk) else PAGE
    return click["action"] not in paged or bool(click["page_url"] == page)


def has_properties(click: Any) -> bool:
    """Tell whether a track's click has the properties of the call."""
    if click["action"] != "add_to_cart":
        return True
    given = click["properties"]
    product = given["product"] == {
        "id": "sku-42",
        "name": "Red mug",
        "price": 12.5,
        "tags": ["kitchen", "sale"],
    }
    return product and (given["quantity"], given["currency"], given["gift"]) == (2, "EUR", False)


def has_time(each: Driven, click: Any) -> bool:
    """Tell whether a click reports the time of its call, corrected by what the SDK says of its clock."""
    called = dict(zip(each.sdk.actions[-2:], ("page", "track"), strict=True)).get(click["action"], "identify")
    call, received = each.calls[called], click["received_at"]
    reported = click.get("reported_at", received)
    if called == "track" and each.sdk.takes_time:
        if abs(reported - each.track_ms) > 1:
            return False
    # A queue in the page may take the call up later.
    elif not call.began - 1 <= reported <= received:
        return False
    is_true = called == "track" and each.sdk.true_time
    late = received - click["sent_at"] if "sent_at" in click and not is_true else 0
    return bool(click["timestamp"] == min(reported + late, received))


def _said(click: Any) -> tuple[Any, ...]:
    names = ("user_id", "action", "page_url", "reported_at", "session_id", "properties")
    return tuple(click.get(name) for name in names)
