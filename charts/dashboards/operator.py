"""The dashboard of the operator: whether it keeps up, and what its pipelines are."""

from charts.dashboards.panels import Board, Panel, Query
from charts.dashboards.queries import POD, gauge, quantiles, rate

OPERATOR = Board(
    uid="clickstream-operator",
    title="Clickstream / Operator",
    description="Does the operator work, and which pipelines are not what they shall be?",
    probe="clickstream_operator_leader",
    rows=(
        (
            "Now",
            (
                Panel(
                    "Leaders",
                    "Replicas that lead: one, except for some seconds when it changes.",
                    "short",
                    (Query(f"sum(clickstream_operator_leader{{{POD}}})", "leaders"),),
                    single=True,
                ),
                Panel(
                    "Pipelines",
                    "Pipelines that the operator serves.",
                    "short",
                    (Query(f"max(clickstream_operator_pipelines{{{POD}}})", "pipelines"),),
                    single=True,
                ),
                Panel(
                    "Pipelines failing",
                    "Pipelines whose last look ended in an error; it is tried again.",
                    "short",
                    (Query(f"max(clickstream_operator_failing_pipelines{{{POD}}})", "failing"),),
                    single=True,
                ),
                Panel(
                    "Oldest work",
                    "How long the pipeline that waits longest for a look has waited.",
                    "s",
                    (Query(f"max(clickstream_operator_queue_age_seconds{{{POD}}})", "oldest"),),
                    single=True,
                ),
            ),
        ),
        (
            "Pipelines",
            (
                Panel(
                    "Ready",
                    "Condition Ready of each pipeline: 1 true, 0 false, -1 not known.",
                    "short",
                    (
                        Query(
                            f'max by (namespace, pipeline) (clickstream_operator_pipeline_condition{{condition="Ready", {POD}}}) or vector(-1)',
                            "{{namespace}}/{{pipeline}}",
                        ),
                    ),
                ),
                Panel(
                    "Conditions that are not true",
                    "What keeps pipelines from being ready.",
                    "short",
                    (
                        Query(
                            f"count by (condition) (clickstream_operator_pipeline_condition{{{POD}}} < 1) or vector(0)",
                            "{{condition}}",
                        ),
                    ),
                    stacked=True,
                ),
            ),
        ),
        (
            "Work",
            (
                Panel(
                    "Reconciliations by result",
                    "Looks at a pipeline per second; failed ones are tried again with growing pauses.",
                    "ops",
                    (rate("clickstream_operator_reconciles_total", "result", "{{result}}"),),
                    stacked=True,
                ),
                Panel(
                    "Reconciliation duration",
                    "Time of one look.",
                    "s",
                    quantiles("clickstream_operator_reconcile_duration_seconds", 0.5, 0.99),
                ),
                Panel(
                    "Queue",
                    "Pipelines that are due and not yet looked at.",
                    "short",
                    (gauge("clickstream_operator_queue_depth", "{{instance}}", by="instance"),),
                ),
            ),
        ),
        (
            "API server",
            (
                Panel(
                    "Writes",
                    "Objects written per second; in rest there are none.",
                    "ops",
                    (
                        Query(
                            f"sum by (kind) (rate(clickstream_operator_writes_total{{{POD}}}[$__rate_interval])) or vector(0)",
                            "{{kind}}",
                        ),
                    ),
                    stacked=True,
                ),
                Panel(
                    "Silence of the API server",
                    "Time since it was last heard of each kind; watches begin again every four minutes.",
                    "s",
                    (gauge("clickstream_operator_watch_age_seconds", "{{kind}}", by="kind"),),
                ),
            ),
        ),
    ),
)
