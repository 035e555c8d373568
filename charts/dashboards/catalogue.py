"""Every dashboard of the chart."""

from charts.dashboards.boards import PIPELINE, PROCESSOR
from charts.dashboards.platform import CONNECTORS, OPERATOR

ALL = (PIPELINE, PROCESSOR, CONNECTORS, OPERATOR)
