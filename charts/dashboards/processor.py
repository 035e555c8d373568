"""The dashboard of the processor pods: where time and memory go."""

from charts.dashboards.panels import Board, Panel, Query
from charts.dashboards.queries import POD, gauge, quantiles, rate

HITS, MISSES = (
    f"sum by (table) (rate(clickstream_state_cache_{kind}_total{{{POD}}}[$__rate_interval]))"
    for kind in ("hits", "misses")
)

PROCESSOR = Board(
    uid="clickstream-processor",
    title="Clickstream / Processor internals",
    description="What a pod spends its time on: transactions, restores, state, memory.",
    probe="clickstream_commits_total",
    rows=(
        (
            "Transactions",
            (
                Panel(
                    "Commits",
                    "Transactions by result. A failed one is repeated; its work is never half done.",
                    "ops",
                    (rate("clickstream_commits_total", "result", "{{result}}"),),
                ),
                Panel(
                    "Failed commits in a row",
                    "Transactions given up since the last that was committed; more than a few: /status has the error.",
                    "short",
                    (gauge("clickstream_commit_failures_in_a_row", "{{instance}}", by="instance"),),
                ),
                Panel(
                    "Standing",
                    "For how long clicks have waited while a task's last commit did not move; 0 is right.",
                    "s",
                    (
                        Query(
                            f"max by (partition) (clickstream_task_standing_seconds{{{POD}}})",
                            "{{partition}}",
                        ),
                    ),
                ),
                Panel(
                    "Commit duration",
                    "From the first flush to the local write.",
                    "s",
                    quantiles("clickstream_commit_duration_seconds", 0.5, 0.99),
                ),
                Panel(
                    "Producers made",
                    "One at the start, then one after each doubt about a transaction (docs/reference/protocol.md).",
                    "short",
                    (
                        Query(
                            f"sum by (cause) (increase(clickstream_producer_starts_total{{{POD}}}[$__rate_interval]))",
                            "{{cause}}",
                        ),
                    ),
                ),
            ),
        ),
        (
            "Assignment",
            (
                Panel(
                    "Tasks by state",
                    "What the pods do for their tasks.",
                    "short",
                    (Query(f"sum by (role, phase) (clickstream_task_state{{{POD}}})", "{{role}} {{phase}}"),),
                    stacked=True,
                ),
                Panel(
                    "Assignment generation",
                    "The assignment each pod acts on; they agree within a second.",
                    "short",
                    (gauge("clickstream_assignment_generation", "{{instance}}", by="instance"),),
                ),
                Panel(
                    "Silence",
                    "Time since a broker answered, and since the assignment was known to be the newest.",
                    "s",
                    (
                        gauge("clickstream_broker_silence_seconds", "broker, {{instance}}", by="instance"),
                        gauge(
                            "clickstream_assignment_age_seconds", "assignment, {{instance}}", by="instance"
                        ),
                    ),
                ),
            ),
        ),
        (
            "State",
            (
                Panel(
                    "Restored records",
                    "Records that restores and standbys apply per second.",
                    "ops",
                    (
                        Query(
                            f"sum by (topic) (rate(clickstream_restore_records_total{{{POD}}}[$__rate_interval])) or vector(0)",
                            "{{topic}}",
                        ),
                    ),
                ),
                Panel(
                    "State age",
                    "Time since a task's local state was complete; what a crash would have to repair.",
                    "s",
                    (gauge("clickstream_changelog_checkpoint_age_seconds", "{{partition}}"),),
                ),
                Panel(
                    "Cache misses",
                    "Share of look-ups that read RocksDB.",
                    "percentunit",
                    (Query(f"{MISSES} / ({HITS} + {MISSES})", "{{table}}"),),
                ),
            ),
        ),
        (
            "RocksDB and process",
            (
                Panel(
                    "Size on disk",
                    "Table files of all tasks of a pod.",
                    "bytes",
                    (gauge("clickstream_rocksdb_sst_bytes", "{{instance}}", "sum", "instance"),),
                ),
                Panel(
                    "Memory of the state",
                    "Write buffers and block cache.",
                    "bytes",
                    (
                        gauge(
                            "clickstream_rocksdb_memtable_bytes",
                            "write buffers, {{instance}}",
                            "sum",
                            "instance",
                        ),
                        gauge(
                            "clickstream_rocksdb_block_cache_bytes",
                            "block cache, {{instance}}",
                            "sum",
                            "instance",
                        ),
                    ),
                ),
                Panel(
                    "Resident memory",
                    "Of the process; the limit is processors.resources.limits.memory.",
                    "bytes",
                    (gauge("process_resident_memory_bytes", "{{instance}}", by="instance"),),
                ),
                Panel(
                    "Processor time",
                    "Seconds of a core per second.",
                    "short",
                    (
                        Query(
                            f"sum by (instance) (rate(process_cpu_seconds_total{{{POD}}}[$__rate_interval]))",
                            "{{instance}}",
                        ),
                    ),
                ),
            ),
        ),
    ),
)
