"""The stream-table join: a click and the profile its user has at that moment, as an enriched click's JSON.

As Kafka Streams' KStream-KTable join: the table is what was read of it so far; a click without a profile
gets no record (inner) or one with nulls (left); a changed profile makes no record.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from clickstream_processor.topology.records.codec import encode_json
from clickstream_processor.topology.records.records import Click, Profile


class _Head(msgspec.Struct, gc=False):
    """What a profile gives to each of its user's enriched clicks, in the order of the output."""

    user_id: str
    user_name: str | None
    country: str | None
    plan_tier: str | None


def enriched_head(profile: Profile) -> str:
    """Return an enriched click's JSON from behind the offset to page_url's value: per user, not per click."""
    fields = _Head(profile.user_id, profile.name, profile.country, profile.plan_tier)
    return f'",{encode_json(fields).decode()[1:-1]},"page_url":'


def enriched_click(
    event_id: str, click: Click, profile: Profile | None, drop: tuple[str, ...], values: Mapping[str, Any]
) -> bytes:
    """Return an enriched click whose fields a transformation changes: some dropped, then some set."""
    fields: dict[str, Any] = {
        "event_id": event_id,
        "user_id": click.user_id,
        "user_name": profile.name if profile else None,
        "country": profile.country if profile else None,
        "plan_tier": profile.plan_tier if profile else None,
        "page_url": click.page_url,
        "action": click.action,
        "timestamp": click.timestamp,
    }
    fields.update(values)
    for name in drop:
        if name not in values:
            fields.pop(name, None)
    return encode_json(fields)
