"""Every metric of the programs as a page, read from where they define them."""

from collections.abc import Iterator

from clickstream_collector import metrics as collector_metrics
from clickstream_operator import metrics as operator_metrics
from clickstream_processor import metrics as processor_metrics
from prometheus_client.metrics import MetricWrapperBase

_HEAD = """# Metrics

Made from the code by `make reference`; do not edit. Each program serves its own at `/metrics`, processors
and collectors on port 8081. The sink's are in [connect/README.md](../../connect/README.md). A histogram `x`
has the series `x_bucket`, `x_sum` and `x_count`. Dashboards and alerts use these names.

"""

_PROGRAMS = (
    ("Processor", processor_metrics),
    ("Operator", operator_metrics),
    ("Collector", collector_metrics),
)


def metrics_page() -> str:
    """Return the page: a table a program."""
    lines = [_HEAD]
    for title, module in _PROGRAMS:
        lines += [f"## {title}\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n"]
        found = [each for each in vars(module).values() if isinstance(each, MetricWrapperBase)]
        lines += [*_rows(found), "\n"]
    return "".join(lines).rstrip() + "\n"


def _rows(found: list[MetricWrapperBase]) -> Iterator[str]:
    for each in found:
        (family,) = each.describe()
        name = {"counter": f"{family.name}_total", "info": f"{family.name}_info"}.get(
            family.type, family.name
        )
        labels = ", ".join(f"`{label}`" for label in each._labelnames)
        meaning = " ".join(family.documentation.split()).replace("|", "\\|").rstrip(".")
        yield f"| `{name}` | {family.type} | {labels} | {meaning} |\n"
