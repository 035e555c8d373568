pytest_plugins = ["clickstream_local.testing.fixtures"]
