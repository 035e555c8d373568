"""What local may import of the operator: the code, the contract of `make lint` and the page say the same."""

import ast
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "local/clickstream_local"
CONTRACT = "local uses of the operator what makes documents of a spec, and its assignment"


def parts(names: set[str]) -> set[str]:
    """Return the parts of the operator in names of modules, as in clickstream_operator.PART.module."""
    return {name.split(".")[1] for name in names if name.startswith("clickstream_operator.")}


def imported() -> set[str]:
    """Return the names of all modules that local imports, wherever in a file."""
    found: set[str] = set()
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "clickstream_operator":
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module)
            elif isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
    return found


def contracted() -> set[str]:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (contract,) = [each for each in contracts if each["name"] == CONTRACT]
    assert contract["source_modules"] == ["clickstream_local"]
    assert contract["forbidden_modules"] == ["clickstream_operator.*"]
    return parts({rule.partition(" -> ")[2] for rule in contract["ignore_imports"]})


def test_local_imports_of_the_operator_what_the_contract_allows_and_nothing_else() -> None:
    assert parts(imported()) == contracted()


def test_the_page_on_architecture_says_what_the_contract_allows() -> None:
    page = (ROOT / "docs/explanation/architecture.md").read_text()
    (said,) = re.findall(r"^local +-> +clickstream_operator\.\{([^}]*)\}$", page, re.MULTILINE)
    assert set(said.split(", ")) == contracted()
