"""Figures, table and plot of a result."""

import statistics
from collections.abc import Callable
from typing import Any

OURS, REFERENCE = "clickstream", "kafka-streams"


def figures(result: dict[str, Any]) -> dict[str, float | None]:
    """Return the figures of the last line: medians of per-round ratios."""
    rounds = result["rounds"]

    def ratio(key: str, other: str) -> float | None:
        pairs = [(one[OURS][key], one[other][key]) for one in rounds if other in one and OURS in one]
        return round(statistics.median(a / b for a, b in pairs), 3) if pairs else None

    def median(pick: Callable[[dict[str, Any]], float]) -> float | None:
        values = [pick(one[OURS]) for one in rounds if OURS in one]
        return round(statistics.median(values), 2) if values else None

    routed = [rate["queries"]["p99_ms"] for rate in result.get("routed", [])]
    steady = result.get("end_to_end", {})
    ours, theirs = (steady.get(name, {}).get("1000", {}).get("p99_ms") for name in (OURS, REFERENCE))
    again = result.get("restart", {})
    start, their_start = (again.get(name, {}).get("killed_s") for name in (OURS, REFERENCE))
    return {
        "cpu_ratio_kafka_streams": ratio("events_cpu_s", REFERENCE),
        "wall_ratio_kafka_streams": ratio("events_s", REFERENCE),
        "cpu_ratio_copy": ratio("events_cpu_s", "plain-copy"),
        "cpu_ratio_quix": ratio("events_cpu_s", "quix-streams"),
        "rss_ratio_kafka_streams": ratio("peak_rss_bytes", REFERENCE),
        "e2e_p99_ms_1k": ours,
        "e2e_p99_ratio_kafka_streams_1k": round(ours / theirs, 3) if ours and theirs else None,
        "query_p99_ms_local": median(lambda rate: rate["queries"]["p99_ms"]),
        "query_p99_ms_routed": round(statistics.median(routed), 2) if routed else None,
        "restore_records_s": result.get("restore", {}).get("records_s"),
        "restart_s": start,
        "restart_ratio_kafka_streams": round(start / their_start, 3) if start and their_start else None,
    }


def table(result: dict[str, Any]) -> str:
    """Return tables in Markdown: rates, the median and the range over the rounds; restarts."""
    lines = ["", "| system | events/s | events per CPU second | peak RSS, MiB |", "|---|---|---|---|"]
    names = dict.fromkeys(name for one in result["rounds"] for name in one)
    for name in names:
        rates = [one[name] for one in result["rounds"] if name in one]
        cells = [
            _spread([rate["events_s"] for rate in rates]),
            _spread([rate["events_cpu_s"] for rate in rates]),
            _spread([rate["peak_rss_bytes"] / 2**20 for rate in rates]),
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, *_restarts(result), ""])


def _restarts(result: dict[str, Any]) -> list[str]:
    """Return the seconds from start to the first enriched click that is committed, and to the last."""
    if "restart" not in result:
        return []
    head = f"restart with {result['restore']['users']:,} users, s"
    lines = ["", f"| {head} | stopped: first | last | killed: first | last |", "|---|---|---|---|---|"]
    for name, times in result["restart"].items():
        cells = [times[key] for key in ("ordered_s", "ordered_last_s", "killed_s", "killed_last_s")]
        lines.append(f"| {name} | {' | '.join(f'{cell:.2f}' for cell in cells)} |")
    return lines


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"
