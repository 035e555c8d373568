"""What is wrong with a pipeline's source, by facts and on a real PostgreSQL."""
