"""Figures, table and plot of a result."""

import statistics
from typing import Any

from clickstream_bench.comparing.inputs import HEAVY, figure
from clickstream_bench.systems import MEMORY_MIB

OURS = "clickstream"
REFERENCES = ("kafka-streams", "kafka-streams-tuned")  # of the two the better counts, figure by figure
GREATER_IS_BETTER = {"events_cpu_s": True, "events_s": True, "peak_rss_bytes": False}


def figures(result: dict[str, Any]) -> dict[str, float | None]:
    """Return the figures of the last line. Ratios are medians over rounds, for each input."""
    throughput = result["throughput"]
    found: dict[str, float | None] = {}
    for name in (HEAVY, *(name for name in throughput if name != HEAVY)):
        ratios = _ratios(throughput.get(name, []))
        found |= {figure(key, name): value for key, value in ratios.items()}
    rounds = throughput.get(HEAVY, [])
    local = [one[OURS]["queries"]["p99_ms"] for one in rounds if OURS in one]
    routed = [rate["queries"]["p99_ms"] for rate in result.get("routed", [])]
    steady = {name: rates["1000"]["p99_ms"] for name, rates in result.get("end_to_end", {}).items()}
    ours, theirs = (
        steady.get(OURS),
        min((steady[name] for name in REFERENCES if name in steady), default=None),
    )
    again = result.get("restart", {})
    start, their_start = (again.get(name, {}).get("killed_s") for name in (OURS, REFERENCES[0]))
    return found | {
        "e2e_p99_ms_1k": ours,
        "e2e_p99_ratio_kafka_streams_1k": round(ours / theirs, 3) if ours and theirs else None,
        "query_p99_ms_local": _median(local),
        "query_p99_ms_routed": _median(routed),
        "restore_records_s": result.get("restore", {}).get("records_s"),
        "restart_s": start,
        "restart_ratio_kafka_streams": round(start / their_start, 3) if start and their_start else None,
    }


def _ratios(rounds: list[dict[str, Any]]) -> dict[str, float | None]:
    """Return one input's ratios of ours to each other system."""
    return {
        "cpu_ratio_kafka_streams": _hardest(rounds, "events_cpu_s"),
        "wall_ratio_kafka_streams": _hardest(rounds, "events_s"),
        "cpu_ratio_copy": _ratio(rounds, "events_cpu_s", "plain-copy"),
        "cpu_ratio_c_copy": _ratio(rounds, "events_cpu_s", "c-copy"),
        "cpu_ratio_flink_sql": _ratio(rounds, "events_cpu_s", "flink-sql"),
        "cpu_ratio_flink_sql_warm": _ratio(rounds, "warm_events_cpu_s", "flink-sql"),
        "wall_ratio_flink_sql": _ratio(rounds, "events_s", "flink-sql"),
        "cpu_ratio_quix": _ratio(rounds, "events_cpu_s", "quix-streams"),
        "rss_ratio_kafka_streams": _hardest(rounds, "peak_rss_bytes"),
    }


def _hardest(rounds: list[dict[str, Any]], key: str) -> float | None:
    """Return the ratio to Kafka Streams where it does better at this, by default or tuned."""
    ratios = [ratio for name in REFERENCES if (ratio := _ratio(rounds, key, name)) is not None]
    if not ratios:
        return None
    return min(ratios) if GREATER_IS_BETTER[key] else max(ratios)


def _ratio(rounds: list[dict[str, Any]], key: str, other: str) -> float | None:
    pairs = [(one[OURS][key], one[other][key]) for one in rounds if other in one and OURS in one]
    return round(statistics.median(a / b for a, b in pairs), 3) if pairs else None


def _median(values: list[float]) -> float | None:
    return round(statistics.median(values), 2) if values else None


def table(result: dict[str, Any]) -> str:
    """Return tables in Markdown: the rates of each input, median and range over the rounds; restarts."""
    lines = [line for name, rounds in result["throughput"].items() for line in _rates(name, rounds)]
    return "\n".join([*lines, *_restarts(result), ""])


def _rates(name: str, rounds: list[dict[str, Any]]) -> list[str]:
    head = f"| {name} | events/s | events per CPU second | peak RSS, MiB of {MEMORY_MIB:,} |"
    lines = ["", head, "|---|---|---|---|"]
    for system in dict.fromkeys(system for one in rounds for system in one):
        rates = [one[system] for one in rounds if system in one]
        peaks = [rate["peak_rss_bytes"] / 2**20 for rate in rates]
        over = " **over the limit**" if max(peaks) > MEMORY_MIB else ""
        cells = [_spread([rate[key] for rate in rates]) for key in ("events_s", "events_cpu_s")]
        lines.append(f"| {system} | {' | '.join(cells)} | {_spread(peaks)}{over} |")
    return lines


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
