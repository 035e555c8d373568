"""Figures and tables of a measurement of the collector."""

import statistics
from typing import Any

from clickstream_bench.collecting.forms import OWN, SEGMENT

Result = dict[str, Any]


def figures(result: Result) -> dict[str, float | None]:
    """Return the figures of the last line, of the parts that ran.

    Ratios are medians of per-round ratios. Of batches the slower form counts, and of answers the slower load.
    """
    found: dict[str, float | None] = {}
    if singles := result.get("singles"):
        found["ratio_to_bare_handler"] = _ratio(singles, "requests_cpu_s")
        found["ratio_on_the_clock"] = _ratio(singles, "requests_s")
    if batches := result.get("batches"):
        slowest = min(
            statistics.median(one[kind]["events_cpu_s"] for one in batches) for kind in (OWN, SEGMENT)
        )
        found["events_s_core_batch50"] = round(slowest)
    if half := result.get("half"):
        found["answer_p99_ms_half_load"] = max(part["p99_ms"] for part in half.values())
    if count := result.get("count"):
        found |= {name: count[name] for name in ("lost", "doubled")}
    return found


def tables(result: Result) -> str:
    """Return the tables in Markdown."""
    lines = ["", "| load | requests/s | per CPU second | events per CPU second | p50, ms | p99, ms |"]
    lines.append("|---|---|---|---|---|---|")
    for part, names in (("singles", ("collector", "bare")), ("batches", (OWN, SEGMENT))):
        for name in names:
            some = [one[name] for one in result.get(part, [])]
            if some:
                lines.append(_row(f"{part}, {name}", some))
    lines += [_row(f"half, {name}", [one]) for name, one in result.get("half", {}).items()]
    return "\n".join([*lines, ""])


def _ratio(rounds: list[Result], key: str) -> float:
    ratios: list[float] = [one["collector"][key] / one["bare"][key] for one in rounds]
    return round(statistics.median(ratios), 3)


def _row(name: str, rates: list[Result]) -> str:
    keys = ("requests_s", "requests_cpu_s", "events_cpu_s", "p50_ms", "p99_ms")
    cells = [
        f"{statistics.median(rate[key] for rate in rates):,.{1 if key.endswith('ms') else 0}f}"
        for key in keys
    ]
    return f"| {name} | {' | '.join(cells)} |"
