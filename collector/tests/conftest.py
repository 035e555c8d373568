import pytest

pytest.register_assert_rewrite("collector_support")
pytest_plugins = ["clickstream_local.testing.fixtures"]
