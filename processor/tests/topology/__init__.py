"""The line itself, without Kafka."""
