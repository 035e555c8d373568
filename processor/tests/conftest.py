import pytest

pytest.register_assert_rewrite("processor_support")
pytest_plugins = ["clickstream_local.testing.fixtures"]
