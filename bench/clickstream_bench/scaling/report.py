"""Figures and tables of a scaling run."""

import statistics
from typing import Any

Result = dict[str, Any]
Row = list[str]


def figures(result: Result) -> dict[str, float | bool | None]:
    """Return the figures of the last line, of the parts that ran. Ratios: to the smallest case."""
    found: dict[str, float | bool | None] = {}
    for part in ("pods", "users", "partitions"):
        for size, rounds in result.get(part, {}).items():
            found[f"{part}_{size}_cpu_us"] = round(_median(map(_cpu_us, rounds)), 2)
            found[f"{part}_{size}_cpu_ratio"] = _ratio(result[part], size)
    for size, rounds in result.get("pods", {}).items():
        found[f"pods_{size}_events_s"] = round(_median(one["events_s"] for one in rounds))
    if users := result.get("users"):
        largest = list(users.values())[-1]
        found["users_peak_rss_share"] = round(
            max(one["peak_rss_bytes"] / one["limit_bytes"] for rounds in users.values() for one in rounds), 3
        )
        found["users_state_per_cache"] = round(_median(map(_state_per_cache, largest)), 1)
    if soak := result.get("soak"):
        found["soak_flat"], found["soak_slope_mib_h"] = soak["flat"], soak["slope_mib_h"]
        found["soak_peak_mib"] = round(soak["peak_rss_bytes"] / 2**20, 1)
    for name in ("rest", "steady", "full"):
        if phase := result.get("queries", {}).get(name):
            found[f"query_{name}_p50_ms"], found[f"query_{name}_p99_ms"] = phase["p50_ms"], phase["p99_ms"]
    if queries := result.get("queries"):
        found["query_requests_s"] = queries["closed"]["requests_s"]
    if postgres := result.get("postgres"):
        found["postgres_clicks"] = postgres["clicks"]["clicks"]
        for name, phase in postgres.items():
            found[f"postgres_{name}_cpu_s"] = phase["cpu_s"]
            found[f"postgres_{name}_cpu_ms_per_change"] = _ms_per_change(phase)
            found[f"postgres_{name}_statements_of_pipeline"] = phase["statements_of_pipeline"]
    return found


def tables(result: Result) -> str:
    """Return the tables in Markdown: medians over the rounds."""
    parts = {
        "pods": _ingest,
        "users": _ingest,
        "partitions": _ingest,
        "soak": _soak,
        "queries": _queries,
        "postgres": _postgres,
    }
    lines: list[str] = []
    for name, rows in parts.items():
        if name in result:
            head, *body = rows(name, result[name])
            lines += ["", _line(head), "|" + "---|" * len(head), *map(_line, body)]
    return "\n".join([*lines, ""])


def _ingest(part: str, cases: Result) -> list[Row]:
    cost = ["events/s", "CPU us an event", "ratio", "changes a click", "reads a click"]
    rows = [[part, *cost, "peak RSS, MiB", "threads", "commit, ms", "p99 at most", "state/cache"]]
    for size, rounds in cases.items():
        state = f"{_median(map(_state_per_cache, rounds)):.1f}" if part == "users" else ""
        rows.append(
            [
                f"{int(size):,}",
                f"{_median(one['events_s'] for one in rounds):,.0f}",
                f"{_median(map(_cpu_us, rounds)):.2f}",
                f"{_ratio(cases, size):.2f}",
                f"{_median(one['changes_per_click'] for one in rounds):.2f}",
                f"{_median(one['reads_per_click'] for one in rounds):.3f}",
                f"{_median(one['peak_rss_bytes'] for one in rounds) / 2**20:,.0f}",
                f"{_median(one['threads'] for one in rounds):.0f}",
                f"{_median(one['commits']['mean_ms'] for one in rounds):.1f}",
                f"{_median(one['commits']['p99_at_most_ms'] for one in rounds):.0f}",
                state,
            ]
        )
    return rows


def _soak(part: str, soak: Result) -> list[Row]:
    head = "events/s|CPU us an event|2nd quarter, MiB|4th quarter, MiB|peak, MiB|slope, MiB an hour|flat"
    second, fourth, peak = (
        f"{soak[key] / 2**20:,.1f}"
        for key in ("second_quarter_bytes", "fourth_quarter_bytes", "peak_rss_bytes")
    )
    minutes = f"{soak['samples'][-1][0] / 60:.1f} minutes"
    figures = [f"{soak['events_s']:,}", f"{soak['cpu_us_event']}", second, fourth, peak]
    return [
        [part, *head.split("|")],
        [minutes, *figures, f"{soak['slope_mib_h']}", "yes" if soak["flat"] else "no"],
    ]


def _queries(part: str, phases: Result) -> list[Row]:
    rows = [[part, "requests", "errors", "p50, ms", "p99, ms", "requests/s"]]
    for name in ("rest", "steady", "full", "closed"):
        phase = phases[name]
        latencies = [f"{phase[key]}" for key in ("requests", "errors", "p50_ms", "p99_ms")]
        rows.append([name, *latencies, f"{phase.get('requests_s', '')}"])
    return rows


def _postgres(part: str, phases: Result) -> list[Row]:
    columns = {
        "cpu_s": "CPU s",
        "commits": "commits",
        "rows_read": "rows read",
        "statements": "statements",
        "statements_of_pipeline": "of the pipeline",
        "changes": "changes",
        "profile_changes_applied": "changes applied",
        "clicks": "clicks",
    }
    rows = [[part, *columns.values(), "CPU ms a change"]]
    for name, phase in phases.items():
        rows.append([name, *(f"{phase[key]:,}" for key in columns), f"{_ms_per_change(phase)}"])
    return rows


def _ms_per_change(phase: Result) -> float:
    return float(round(1_000 * phase["cpu_s"] / max(1, phase["changes"]), 2))


def _cpu_us(one: Result) -> float:
    return float(1e6 / one["events_cpu_s"])


def _state_per_cache(one: Result) -> float:
    return float(one["state_bytes"] / one["caches"]["block_cache_bytes"])


def _ratio(cases: Result, size: str) -> float:
    """Return the median of the ratios, round by round, to the smallest case."""
    pairs = zip(cases[size], next(iter(cases.values())), strict=True)
    return round(_median(_cpu_us(one) / _cpu_us(smallest) for one, smallest in pairs), 3)


def _median(values: Any) -> float:
    return float(statistics.median(values))


def _line(cells: Row) -> str:
    return f"| {' | '.join(cells)} |"
