"""Snowplow's tracker protocol: flat parameters, all of them text, in a POST's `data` or in a query. Pure.

The name and the data of an event of one's own stand in a JSON text, or in the same as base64url. The key is
`aid`, the application's id: trackers have no other.
"""

import base64
import binascii
from typing import Any

import msgspec

from clickstream_collector.mapping.click import Click, Event, Mapped, Refused
from clickstream_collector.mapping.event_time import corrected, lenient_ms, time_ms
from clickstream_collector.mapping.fields import as_text, identity, person
from clickstream_collector.mapping.vocabulary import Arrival, Batch, Vocabulary

_ACTIONS = {"pv": "page_view", "pp": "page_ping", "tr": "transaction", "ti": "transaction_item"}
_STRUCTURED = {
    "se_ca": "category",
    "se_ac": "action",
    "se_la": "label",
    "se_pr": "property",
    "se_va": "value",
}
_TAKEN = frozenset(
    {
        "e", "eid", "uid", "duid", "sid", "url", "dtm", "ttm", "stm", "aid", "ip", "ua", "ue_pr", "ue_px",
        "co", "cx", *_STRUCTURED,
    }
)  # fmt: skip
_MAX_JSON = 65_536
_decode = msgspec.json.decode


def split(document: Any) -> Batch:
    """Return the events of `{schema, data: [...]}`, or the parameters of a GET."""
    if type(document) is not dict:
        raise Refused("mistyped-field", "expected an object")
    items = document.get("data") if "data" in document or "schema" in document else [document]
    if type(items) is not list:
        raise Refused("missing-field" if items is None else "mistyped-field", "data: expected a list")
    keys = [item["aid"] for item in items if type(item) is dict and type(item.get("aid")) is str]
    return Batch(keys[0] if keys else None, None, items)


def click(event: Event, arrival: Arrival) -> Mapped:
    """Return the click; a tracker says nothing of former ids."""
    get = event.get
    action, properties = _action(event)
    user, device = identity(get("uid"), "uid"), identity(get("duid"), "duid")
    true_ms = time_ms(get("ttm"), "ttm")
    reported = true_ms if true_ms is not None else time_ms(get("dtm"), "dtm")
    sent = lenient_ms(get("stm"))
    url, ip, agent = get("url"), get("ip"), get("ua")
    beside = {name: value for name, value in event.items() if name not in _TAKEN}
    contexts = _nested(event, "co", "cx")
    if contexts:
        beside["contexts"] = contexts
    return (
        Click(
            user_id=person(user, device, "uid or duid"),
            page_url=url if type(url) is str else "",
            action=action,
            timestamp=corrected(reported, None if true_ms is not None else sent, arrival.received_ms),
            source="snowplow",
            received_at=arrival.received_ms,
            message_id=as_text(get("eid")),
            reported_at=reported,
            sent_at=sent,
            session_id=as_text(get("sid")),
            anonymous_id=device,
            ip=ip if type(ip) is str else None,
            user_agent=agent if type(agent) is str else None,
            properties=properties or None,
            original=beside or None,
        ),
        None,
    )


def _action(event: Event) -> tuple[str, Event]:
    """Return the action and the event's own data."""
    kind = event.get("e")
    if kind == "ue":
        inner = _nested(event, "ue_pr", "ue_px")
        schema = inner.get("schema") if type(inner) is dict else None
        parts = schema.split("/") if type(schema) is str else []
        if len(parts) < 2 or not parts[1]:
            raise Refused(
                "missing-field", "ue_pr or ue_px: data.schema, as iglu:vendor/name/jsonschema/version"
            )
        data = inner.get("data")
        return parts[1], data if type(data) is dict else {}
    if kind in ("se", "struct"):
        action = event.get("se_ac")
        if type(action) is not str or not action:
            raise Refused("missing-field", "se_ac")
        return action, {name: event[short] for short, name in _STRUCTURED.items() if short in event}
    if type(kind) is not str or kind not in _ACTIONS:
        raise Refused("mistyped-field" if kind else "missing-field", "e: one of pv, pp, se, ue, tr, ti")
    return _ACTIONS[kind], {}


def _nested(event: Event, plain: str, coded: str) -> Any:
    """Return `data` of a self-describing JSON in a text or in base64url; None where there is none."""
    text = event.get(plain)
    name = plain
    try:
        if type(text) is not str:
            text, name = event.get(coded), coded
            if type(text) is not str:
                return None
            text = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        if len(text) > _MAX_JSON:
            raise Refused("oversized", f"{name}: more than {_MAX_JSON} bytes")
        found = _decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError, binascii.Error, ValueError) as error:
        raise Refused("not-json", f"{name}: {error}") from error
    return found.get("data") if type(found) is dict else None


VOCABULARY = Vocabulary(
    "snowplow",
    "Snowplow",
    split,
    click,
    (
        ("user_id", "`uid`, else `anon:` + `duid`"),
        ("page_url", "`url`"),
        (
            "action",
            "`e`: `pv` page_view, `pp` page_ping, `se` its `se_ac`, `ue` the name in the inner schema",
        ),
        ("timestamp", "`ttm`, which is not corrected; else `dtm`"),
        ("message_id", "`eid`"),
        ("sent_at", "`stm`"),
        ("session_id", "`sid`"),
        ("user_agent", "`ua`, else the header"),
        ("properties", "`data` in `ue_pr` or `ue_px`; of `se` category, action, label, property, value"),
        ("original", "all other parameters; `co` or `cx` as `contexts`"),
    ),
)
