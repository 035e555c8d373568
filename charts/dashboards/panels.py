"""Dashboards as data: rows of panels, each with a title, a description, a unit and its queries.

`build` turns one into Grafana's JSON by Grafana's own builder library. Every dashboard templates its
datasource, job and instance, as dashboard-linter asks, and every rate uses `$__rate_interval`.
"""

from dataclasses import dataclass

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models

SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
COLUMNS, ROW_HEIGHT, STAT_HEIGHT = 24, 8, 4


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL expression and how its series are called."""

    expr: str
    legend: str = "{{instance}}"


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. `unit` is Grafana's id of a unit; `single` shows the last value as a number."""

    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    single: bool = False
    stacked: bool = False


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard: `rows` are (title, panels); `probe` is a metric whose labels fill job and instance."""

    uid: str
    title: str
    description: str
    probe: str
    rows: tuple[tuple[str, tuple[Panel, ...]], ...]


def build(board: Board) -> str:
    """Return the dashboard's JSON, the same text for the same board."""
    made = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.description)
        .tags(["clickstream"])
        .time("now-1h", "now")
        .refresh("30s")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(_labels("job", f"label_values({board.probe}, job)"))
        .with_variable(_labels("instance", f'label_values({board.probe}{{job=~"$job"}}, instance)'))
    )
    for title, panels in board.rows:
        made = made.with_row(dashboard.Row(title))
        width = COLUMNS // len(panels)
        for panel in panels:
            made = made.with_panel(_panel(panel, width))
    return JSONEncoder(sort_keys=True, indent=2).encode(made.build()) + "\n"


def _labels(name: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(name.capitalize())
        .datasource(SOURCE)
        .query(query)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(True)
        .include_all(True)
        .all_value(".+")
    )


def _panel(panel: Panel, width: int) -> stat.Panel | timeseries.Panel:
    made = _stat(width) if panel.single else _lines(panel, width)
    made = made.title(panel.title).description(panel.description).unit(panel.unit).datasource(SOURCE)
    for number, query in enumerate(panel.queries):
        target = prometheus.Dataquery().expr(query.expr).legend_format(query.legend)
        made = made.with_target(target.ref_id(chr(ord("A") + number)).datasource(SOURCE))
    return made


def _stat(width: int) -> stat.Panel:
    reduce = common.ReduceDataOptions().calcs(["lastNotNull"])
    return stat.Panel().span(width).height(STAT_HEIGHT).reduce_options(reduce)


def _lines(panel: Panel, width: int) -> timeseries.Panel:
    legend = (
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(common_models.LegendDisplayMode.LIST)
        .placement(common_models.LegendPlacement.BOTTOM)
    )
    made = timeseries.Panel().span(width).height(ROW_HEIGHT).legend(legend).fill_opacity(10).min(0)
    if panel.stacked:
        made = made.stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL))
    return made
