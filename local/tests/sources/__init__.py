"""A table through PostgreSQL, Debezium and the pipeline's own configuration."""
