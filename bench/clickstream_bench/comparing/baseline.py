"""The committed figures of a quick run, and what a new run says against them.

Only ratios and figures of one machine's own kind compare; each has a tolerance, its spread over repeated
runs. `scripts/bench --quick --save-baseline` replaces the file, after a change that is meant.
"""

import json
from pathlib import Path

FILE = Path(__file__).resolve().parents[2] / "baseline.json"

# Figure -> (greater is better, relative tolerance). Ratios within a run vary less than times across runs.
_GUARDED = {
    "cpu_ratio_kafka_streams": (True, 0.15),
    "wall_ratio_kafka_streams": (True, 0.20),
    "cpu_ratio_copy": (True, 0.15),
    "cpu_ratio_quix": (True, 0.25),
    "rss_ratio_kafka_streams": (False, 0.15),
    "e2e_p99_ratio_kafka_streams_1k": (False, 0.50),
    "restart_ratio_kafka_streams": (False, 0.50),
}


def worse(figures: dict[str, float | None], file: Path = FILE) -> list[str]:
    """Return a line for each guarded figure that got worse beyond its tolerance; none without a baseline."""
    if not file.exists():
        return []
    baseline = json.loads(file.read_text())
    lines = []
    for name, (greater_is_better, tolerance) in _GUARDED.items():
        before, now = baseline.get(name), figures.get(name)
        if before is None or now is None:
            continue
        change = now / before - 1
        if (-change if greater_is_better else change) > tolerance:
            lines.append(f"{name} got worse: {now}, was {before} ({change:+.0%}, tolerance {tolerance:.0%})")
    return lines


def save(figures: dict[str, float | None], file: Path = FILE) -> None:
    """Make these figures the ones to compare with."""
    file.write_text(json.dumps(figures, indent=1) + "\n")
