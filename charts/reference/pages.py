"""The pages of docs/reference/, as text."""

from pathlib import Path

import yaml
from clickstream_operator.spec.clickpipeline import ClickPipeline, parse

from charts.reference.clickpipeline import clickerasure_page, clickpipeline_page, clickreplay_page
from charts.reference.collector import collector_page
from charts.reference.environment import environment_page
from charts.reference.metrics import metrics_page
from charts.reference.records import records_page

ROOT = Path(__file__).parents[2]
CRD = ROOT / "crds/clickpipelines.clickstream.dev.yaml"
REPLAY_CRD = ROOT / "crds/clickreplays.clickstream.dev.yaml"
ERASURE_CRD = ROOT / "crds/clickerasures.clickstream.dev.yaml"
DEPLOYMENT = ROOT / "charts/clickstream/templates/deployment.yaml"
EXAMPLE = ROOT / "examples/storefront.yaml"


def example() -> ClickPipeline:
    """Return the pipeline that the pages show."""
    return parse(yaml.safe_load(EXAMPLE.read_text()))


def made_pages() -> dict[Path, str]:
    """Return path -> text of every page that is made."""
    folder = ROOT / "docs/reference"
    return {
        folder / "clickpipeline.md": clickpipeline_page(yaml.safe_load(CRD.read_text())),
        folder / "clickerasure.md": clickerasure_page(yaml.safe_load(ERASURE_CRD.read_text())),
        folder / "clickreplay.md": clickreplay_page(yaml.safe_load(REPLAY_CRD.read_text())),
        folder / "collector.md": collector_page(),
        folder / "environment.md": environment_page(example(), DEPLOYMENT.read_text()),
        folder / "metrics.md": metrics_page(),
        folder / "records.md": records_page(example()),
    }
