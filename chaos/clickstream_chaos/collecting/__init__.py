"""The fault suite of the collector: what it answered with success is in Kafka, whatever ends meanwhile."""
