"""Figures and tables of a run with metrics."""

import statistics
from typing import Any

from clickstream_bench.counting.freshness import BY_PARTITION, ENRICHED, GLOBAL
from clickstream_bench.counting.systems import METRICS, PLAIN, STREAMS

Result = dict[str, Any]


def figures(result: Result) -> dict[str, float | None]:
    """Return the figures of the last line, of the parts that ran: medians of per-round ratios."""
    found: dict[str, float | None] = {}
    if rounds := result.get("ingest"):
        found["cost_ratio_two_metrics"] = ratio(rounds, METRICS, PLAIN)
        found["cpu_ratio_kafka_streams_metrics"] = ratio(rounds, METRICS, STREAMS)
        found["wall_ratio_kafka_streams_metrics"] = ratio(rounds, METRICS, STREAMS, "events_s")
        found["rss_ratio_kafka_streams_metrics"] = ratio(rounds, METRICS, STREAMS, "peak_rss_bytes")
        found["partials_per_click"] = _median([one[METRICS]["between_per_click"] for one in rounds])
        found["metrics_behind_s"] = _median([one[METRICS]["behind_s"] for one in rounds])
    if fresh := result.get("freshness"):
        enriched, counted = fresh[ENRICHED]["p99_ms"], fresh[GLOBAL]["p99_ms"]
        found["freshness_p99_ms"] = counted
        found["freshness_p50_ms"] = fresh[GLOBAL]["p50_ms"]
        found["enriched_p50_ms"] = fresh[ENRICHED]["p50_ms"]
        found["freshness_exact_p99_ms"] = fresh[BY_PARTITION]["p99_ms"]
        found["enriched_p99_ms"] = enriched
        found["freshness_ratio_to_enriched"] = round(counted / enriched, 2)
    if top := result.get("top"):
        found["top20_p99_ms"] = top["made"]["p99_ms"]
        found["top20_p50_ms"] = top["made"]["p50_ms"]
        found["top20_shared_p99_ms"] = top["shared"]["p99_ms"]
        found["top20_shared_p50_ms"] = top["shared"]["p50_ms"]
        found["partials_per_click_10000_keys"] = top["partials_per_click"]
    return found


def ratio(rounds: list[Result], of: str, to: str, key: str = "events_cpu_s") -> float | None:
    """Return the median of the ratios, round by round; None where one of the two did not run."""
    pairs = [(one[of][key], one[to][key]) for one in rounds if of in one and to in one]
    return _median([a / b for a, b in pairs]) if pairs else None


def tables(result: Result) -> str:
    """Return the tables in Markdown."""
    lines: list[str] = []
    if rounds := result.get("ingest"):
        lines += ["", "| full ingest | events/s | per CPU second | ratio | peak RSS, MiB | behind, s |"]
        lines.append("|---|---|---|---|---|---|")
        for name in dict.fromkeys(name for one in rounds for name in one):
            some = [one[name] for one in rounds if name in one]
            cells = [_spread([one[key] for one in some]) for key in ("events_s", "events_cpu_s")]
            cells.append(f"{ratio(rounds, name, PLAIN)}")
            cells.append(_spread([one["peak_rss_bytes"] / 2**20 for one in some]))
            cells.append(f"{_median([one['behind_s'] for one in some])}")
            lines.append(f"| {name} | {' | '.join(cells)} |")
    if fresh := result.get("freshness"):
        lines += ["", "| freshness | p50, ms | p99, ms |", "|---|---|---|"]
        for kind in (ENRICHED, GLOBAL, BY_PARTITION):
            lines.append(f"| {kind} | {fresh[kind]['p50_ms']} | {fresh[kind]['p99_ms']} |")
    if top := result.get("top"):
        lines += ["", "| top 20 | requests | errors | p50, ms | p99, ms |", "|---|---|---|---|---|"]
        for load in ("made", "shared"):
            cells = [f"{top[load][key]}" for key in ("requests", "errors", "p50_ms", "p99_ms")]
            lines.append(f"| {load} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _median(values: list[float]) -> float:
    return round(statistics.median(values), 3)


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"
