"""The pipeline in Quix Streams, exactly once; runs in a virtual environment of its own.

Arguments: bootstrap servers, consumer group, state folder, topics of clicks, profiles, enriched, metrics.
"""

import sys
from datetime import timedelta
from typing import Any

from quixstreams import Application, message_context


def event_time(value: Any, _headers: Any, _timestamp: float, _timestamp_type: Any) -> int:
    return int(value["timestamp"])


def enrich(click: dict[str, Any], profile: dict[str, Any]) -> dict[str, Any]:
    place = message_context()
    return {
        "event_id": f"{place.topic}-{place.partition}-{place.offset}",
        "user_id": click["user_id"],
        "user_name": profile["name"],
        "country": profile["country"],
        "plan_tier": profile["plan_tier"],
        "page_url": click["page_url"],
        "action": click["action"],
        "timestamp": click["timestamp"],
    }


def metrics_of(window: dict[str, Any], key: Any, _timestamp: int, _headers: Any) -> dict[str, Any]:
    user = key.decode() if isinstance(key, bytes) else key
    return {
        "user_id": user,
        "window_start": window["start"],
        "window_end": window["end"],
        "clicks": window["value"],
    }


def main() -> None:
    bootstrap, group, state, clicks, profiles, enriched, metrics = sys.argv[1:8]
    app = Application(
        broker_address=bootstrap,
        consumer_group=group,
        state_dir=state,
        processing_guarantee="exactly-once",
        auto_offset_reset="earliest",
        commit_interval=0.5,  # the default, 5 s, leaves too few commits to see its progress by
        loglevel="WARNING",
    )
    clicks_topic = app.topic(clicks, value_deserializer="json", timestamp_extractor=event_time)
    profiles_topic = app.topic(profiles, value_deserializer="json")
    joined = app.dataframe(clicks_topic).join_asof(
        app.dataframe(profiles_topic), how="inner", on_merge=enrich, grace_ms=timedelta(days=7)
    )
    kept = joined.filter(lambda click: click["action"] != "heartbeat")
    kept.to_topic(app.topic(enriched, value_serializer="json"))
    counts = kept.tumbling_window(timedelta(minutes=5), grace_ms=timedelta(minutes=1)).count().current()
    counts.apply(metrics_of, metadata=True).to_topic(app.topic(metrics, value_serializer="json"))
    app.run()


if __name__ == "__main__":
    main()
