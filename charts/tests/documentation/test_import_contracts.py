"""The import contracts cover what the modules and docs/explanation/architecture.md say of themselves."""

import ast
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
TOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
CONTRACTS: list[dict[str, Any]] = TOOLS["importlinter"]["contracts"]
PACKAGES = {
    "clickstream_collector": ROOT / "collector",
    "clickstream_operator": ROOT / "operator",
    "clickstream_processor": ROOT / "processor",
}


def modules(package: str) -> dict[str, Path]:
    """Return name -> file of every module of a package."""
    root = PACKAGES[package]
    files = sorted((root / package).rglob("*.py"))
    return {".".join(file.relative_to(root).with_suffix("").parts): file for file in files}


def contract(name: str) -> dict[str, Any]:
    (found,) = [each for each in CONTRACTS if each["name"] == name]
    return found


def is_within(module: str, names: list[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in names)


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("clickstream_collector", "The collector's pure modules do nothing but compute"),
        ("clickstream_operator", "The operator's pure modules do nothing but compute"),
        ("clickstream_processor", "The processor's pure modules do nothing but compute"),
    ],
)
def test_a_module_that_says_it_is_pure_is_held_to_it(package: str, name: str) -> None:
    pure = {
        module
        for module, file in modules(package).items()
        if "Pure." in (ast.get_docstring(ast.parse(file.read_text())) or "").replace("Pure:", "Pure.")
    }
    held = [*contract(name)["source_modules"], "clickstream_processor.topology"]
    assert len(pure) > 5
    assert {module for module in pure if not is_within(module, held)} == set()


@pytest.mark.parametrize(
    ("name", "home"),
    [
        (
            "Kafka only in the threads that process, restore and are assigned",
            [
                "kafka",
                "control",
                "restoring",
                "processing",
                "replaying",
                "erasing",
                "jobs",
                "__main__",
                "set_position",
            ],
        ),
        ("RocksDB only in the state", ["state"]),
        ("HTTP only in the query", ["query", "__main__"]),
    ],
)
def test_every_package_but_one_is_kept_from_a_library(name: str, home: list[str]) -> None:
    (library,) = contract(name)["forbidden_modules"]
    sources = contract(name)["source_modules"]
    package = "clickstream_processor"
    parts = {module.split(".")[1] for module in modules(package) if module.count(".") >= 1} - {"__init__"}
    free = {part for part in parts if not is_within(f"{package}.{part}", sources)} - set(home)
    said = {
        module
        for module, file in modules(package).items()
        if module.split(".")[1] in free and library in file.read_text()
    }
    assert said == set()


def test_the_operators_layers_name_all_its_modules() -> None:
    text = " ".join(contract("The operator's layers point one way")["layers"])
    named = {".".join(name.strip("()").split(".")[:2]) for name in text.split() if name != ":"}
    tops = {".".join(module.split(".")[:2]) for module in modules("clickstream_operator")}
    assert tops - {"clickstream_operator.__init__"} - named == set()
