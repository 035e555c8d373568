"""The real parts, each a small supervised process: Kafka, Connect, PostgreSQL, search engines, pods."""
