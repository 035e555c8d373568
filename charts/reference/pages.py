"""The pages of docs/reference/, as text."""

from pathlib import Path

import yaml

from charts.reference.clickpipeline import clickpipeline_page
from charts.reference.metrics import metrics_page

ROOT = Path(__file__).parents[2]
CRD = ROOT / "crds/clickpipelines.clickstream.dev.yaml"


def made_pages() -> dict[Path, str]:
    """Return path -> text of every page that is made."""
    folder = ROOT / "docs/reference"
    return {
        folder / "clickpipeline.md": clickpipeline_page(yaml.safe_load(CRD.read_text())),
        folder / "metrics.md": metrics_page(),
    }
