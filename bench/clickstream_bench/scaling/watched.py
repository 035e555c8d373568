"""Pods that are asked for their figures just before they stop."""

from typing import Any

import psutil
from clickstream_local.parts.pods import Pods
from prometheus_client.parser import text_string_to_metric_families

from clickstream_bench.systems import Ours

COMMITS = "clickstream_commit_duration_seconds"


class Watched(Ours):
    """Ours; `seen` is what its pods told last, empty before they stop in order."""

    seen: dict[str, Any] = {}  # noqa: RUF012 (replaced, never changed)

    def stop(self) -> None:
        """Ask, then stop."""
        if self.pods.is_running():
            self.seen = look(self.pods)
        super().stop()


def look(pods: Pods) -> dict[str, Any]:
    """Return the present figures of all pods together."""
    processes = [psutil.Process(pod.process.pid) for pod in pods.pods]
    return {
        "threads": sum(process.num_threads() for process in processes),
        "rss_bytes": sum(process.memory_info().rss for process in processes),
        "state_bytes": int(pods.metric("clickstream_rocksdb_sst_bytes")),
        "block_cache_used_bytes": int(pods.metric("clickstream_rocksdb_block_cache_bytes")),
        "state_reads": int(pods.metric("clickstream_state_cache_misses_total")),
        "commits": commits("\n".join(pod.exposition() or "" for pod in pods.pods)),
    }


def commits(exposition: str) -> dict[str, Any]:
    """Return number, mean and the bucket of the 99th percentile, ms, of the commits since the start."""
    count = total_s = 0.0
    buckets: dict[float, float] = {}
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            if sample.name == f"{COMMITS}_count":
                count += sample.value
            elif sample.name == f"{COMMITS}_sum":
                total_s += sample.value
            elif sample.name == f"{COMMITS}_bucket":
                bound_s = float(sample.labels["le"])
                buckets[bound_s] = buckets.get(bound_s, 0.0) + sample.value
    p99_s = next((bound for bound in sorted(buckets) if buckets[bound] >= 0.99 * count), 0.0)
    return {
        "count": int(count),
        "mean_ms": round(1_000 * total_s / count, 2) if count else 0.0,
        "p99_at_most_ms": 1_000 * p99_s,
    }
