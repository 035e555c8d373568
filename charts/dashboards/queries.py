"""PromQL that boards share: every expression is filtered by the chosen job and instance."""

from charts.dashboards.panels import Query

POD = 'job=~"$job", instance=~"$instance"'


def rate(metric: str, by: str, legend: str) -> Query:
    """Sum of a counter's rate."""
    return Query(f"sum by ({by}) (rate({metric}{{{POD}}}[$__rate_interval]))", legend)


def quantiles(metric: str, *shares: float) -> tuple[Query, ...]:
    """Quantiles of a histogram over all chosen pods."""
    series = f"sum by (le) (rate({metric}_bucket{{{POD}}}[$__rate_interval]))"
    return tuple(Query(f"histogram_quantile({share}, {series})", f"p{share * 100:g}") for share in shares)


def gauge(metric: str, legend: str, how: str = "max", by: str = "partition") -> Query:
    """A gauge, folded over pods."""
    return Query(f"{how} by ({by}) ({metric}{{{POD}}})", legend)


def known(metric: str) -> str:
    """A lag, where the pod has heard from a broker lately: without one it tells the last it knew."""
    return f"{metric}{{{POD}}} and on (namespace, instance) clickstream_broker_silence_seconds{{{POD}}} < 10"
