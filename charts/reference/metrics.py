"""Every metric of the processors and of the operator as a page, read from the collectors themselves."""

from collections.abc import Iterator

from clickstream_operator import metrics as operator_metrics
from clickstream_processor import metrics as processor_metrics
from prometheus_client.metrics import MetricWrapperBase

_HEAD = """# Metrics

Made from the code by `make reference`; do not edit. Each program serves its own at `/metrics`, the processors
on port 8081. The sink's are in [connect/README.md](../../connect/README.md). A histogram `x` has the series
`x_bucket`, `x_sum` and `x_count`. Dashboards and alerts use these names.

"""


def metrics_page() -> str:
    """Return the page: a table a program."""
    lines = [_HEAD]
    for title, module in (("Processor", processor_metrics), ("Operator", operator_metrics)):
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
