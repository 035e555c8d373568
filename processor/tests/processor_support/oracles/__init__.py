"""Independent answers to compare with: Kafka Streams' and naive ones."""
