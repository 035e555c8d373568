"""Every dashboard of the chart."""

from charts.dashboards.collector import COLLECTOR
from charts.dashboards.connectors import CONNECTORS
from charts.dashboards.operator import OPERATOR
from charts.dashboards.pipeline import PIPELINE
from charts.dashboards.processor import PROCESSOR

ALL = (PIPELINE, COLLECTOR, PROCESSOR, CONNECTORS, OPERATOR)
