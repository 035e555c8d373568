"""Side by side on one broker: the processor, Kafka Streams, Quix Streams and a plain copy."""
