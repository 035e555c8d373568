"""Options of these tests, and which of them need a control plane."""

import os

import pytest

pytest.register_assert_rewrite("operator_support")

# Those take minutes and Go's compiler once: `make test-operator` runs them.
collect_ignore = [] if os.environ.get("CLICKSTREAM_CONTROL_PLANE") else ["cluster"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--golden`."""
    parser.addoption("--golden", action="store_true", help="take what is rendered as the new golden files")
