"""Names of the metrics that our programs export, read from where each defines them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
SOURCES = [
    ROOT / "processor/clickstream_processor/metrics.py",
    ROOT / "operator/clickstream_operator/metrics.py",
    ROOT / "collector/clickstream_collector/metrics.py",
]


def metrics_in(expression: str) -> set[str]:
    """Return the names of ours that a PromQL expression asks for; a histogram by its own name."""
    return {re.sub(r"_bucket$", "", name) for name in re.findall(r"clickstream_\w+", expression)}


def exported_metrics() -> set[str]:
    """Return the names that processor, operator, collector and sink export."""
    return set(re.findall(r'"(clickstream_\w+)"', "".join(file.read_text() for file in SOURCES))) | _sink()


def _sink() -> set[str]:
    """Return the names that connect/metrics.yaml gives to what the sink's README lists."""
    readme = (ROOT / "connect/README.md").read_text()
    _, _, table = readme.partition("<!-- begin metrics -->")
    listed = re.findall(r"^\| `([a-z-]+)` \|", table.partition("<!-- end metrics -->")[0], re.MULTILINE)
    assert len(listed) > 5
    return {"clickstream_sink_" + re.sub(r"-ms$", "-seconds", name).replace("-", "_") for name in listed}
