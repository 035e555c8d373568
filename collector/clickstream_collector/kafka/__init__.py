"""Kafka: the producer, its configuration, and whether it can be reached. The only folder with the client."""
