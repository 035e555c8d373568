"""The pure lines without Kafka, driven as the runtime drives them, with records and worked examples."""
