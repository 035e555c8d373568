"""The collector: takes clicks over HTTP and answers success once Kafka has them (ADR 0063)."""
