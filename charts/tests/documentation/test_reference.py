"""The reference pages are what the CRD and the code say, and leave nothing out."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from charts.reference.pages import CRD, ERASURE_CRD, REPLAY_CRD, ROOT, made_pages
from charts.tests.documentation.metric_names import SOURCES, exported_metrics

PAGES = made_pages()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_reference_page_is_current(page: Path) -> None:
    assert page.read_text() == PAGES[page], "run `make reference`"


def leaves(schema: dict[str, Any], path: str) -> set[str]:
    below = {f"{path}.{name}": field for name, field in schema.get("properties", {}).items()}
    return {path}.union(*(leaves(field, name) for name, field in below.items()))


@pytest.mark.parametrize(
    ("file", "page"),
    [(CRD, "clickpipeline.md"), (REPLAY_CRD, "clickreplay.md"), (ERASURE_CRD, "clickerasure.md")],
)
def test_every_field_of_a_resource_is_in_its_reference(file: Path, page: str) -> None:
    crd = yaml.safe_load(file.read_text())
    spec = crd["spec"]["versions"][-1]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    text = (ROOT / f"docs/reference/{page}").read_text()
    missing = [path for path in leaves(spec, "spec") - {"spec"} if f"| `{path}` |" not in text]
    assert not missing


def test_every_metric_of_the_programs_is_in_the_reference() -> None:
    text = (ROOT / "docs/reference/metrics.md").read_text()
    ours = {name for name in exported_metrics() if not name.startswith("clickstream_sink_")}
    missing = {name for name in ours if f"`{name}`" not in text and f"`{name}_info`" not in text}
    assert not missing, f"of {[str(file) for file in SOURCES]}"


def test_readme_sends_the_reader_of_fields_to_the_reference() -> None:
    assert "(docs/reference/clickpipeline.md)" in (ROOT / "README.md").read_text()
