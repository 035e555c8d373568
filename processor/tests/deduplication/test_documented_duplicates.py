"""The examples of docs/reference/dedup-semantics.md, run through the line of the clicks task."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from processor_support.lines.dedup_task import Task
from processor_support.lines.sample_line import T0, profile

PAGE = Path(__file__).resolve().parents[3] / "docs/reference/dedup-semantics.md"
BLOCK = re.compile(r"```yaml\n# dedup: (.*?)\n(.*?)```", re.DOTALL)
EXAMPLES = [(name, yaml.safe_load(text)) for name, text in BLOCK.findall(PAGE.read_text())]


def ms(text: str) -> int:
    """Return the milliseconds of minutes and seconds: 1:30."""
    minutes, seconds = text.split(":")
    return (int(minutes) * 60 + int(seconds)) * 1_000


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
@pytest.mark.parametrize("commits", [True, False], ids=["each committed", "in one commit"])
def test_an_example_of_the_page_is_true(
    name: str, example: dict[str, Any], commits: bool, tmp_path: Path
) -> None:
    task = Task(tmp_path / "store", dedup=example["dedup"])
    task.line.table([profile("alice"), profile("bob")])
    for each in example["clicks"]:
        if "profile" in each:
            task.line.table([profile(each["profile"])])
            continue
        fields = {name: value for name, value in each.items() if name not in ("at", "user_id")}
        task.click(None, each.get("user_id", "alice"), ms(each["at"]), timestamp=T0, **fields)
        if commits:
            task.commit()
    assert [body["page_url"] for body, _, _ in task.out.clicks] == example["goes_on"]
    task.store.close()


def test_the_page_has_examples() -> None:
    assert len(EXAMPLES) >= 5
