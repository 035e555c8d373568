"""The line beside Kafka Streams: the worked examples, and random events record for record."""
