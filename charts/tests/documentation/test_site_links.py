"""Links that leave docs/ lead to a file that is there, and the site has every page in its navigation."""

import re
from pathlib import Path

import pytest

from charts.reference.pages import ROOT
from charts.reference.site_links import links_outside, outside

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))


@pytest.mark.parametrize(
    ("page", "target", "path"),
    [
        ("reference/metrics.md", "../../connect/README.md#metrics", "connect/README.md"),
        ("README.md", "../CONTRIBUTING.md", "CONTRIBUTING.md"),
        ("how-to/install.md", "../runbooks/", "docs/runbooks"),
        ("how-to/install.md", "../adr/README.md", None),
        ("how-to/install.md", "#chart", None),
        ("how-to/install.md", "https://strimzi.io/docs", None),
    ],
)
def test_link_leaves_the_site(page: str, target: str, path: str | None) -> None:
    assert outside(page, target) == path


def test_links_in_code_are_no_links() -> None:
    text = "[a](../x.md)\n```\n[b](../../y.md)\n```\n![c](../../z.svg)\n"
    assert [path for _, path in links_outside("how-to/page.md", text)] == ["z.svg"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_what_a_link_out_of_the_docs_leads_to_is_there(page: Path) -> None:
    links = links_outside(str(page.relative_to(DOCS)), page.read_text())
    assert not [path for _, path in links if not (ROOT / path).exists()]


def test_every_page_is_in_the_navigation_once() -> None:
    _, _, navigation = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")
    assert sorted(re.findall(r"[\w./-]+\.md", navigation)) == [str(p.relative_to(DOCS)) for p in PAGES]
