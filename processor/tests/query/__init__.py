"""The query and admin API: real servers over real stores, without Kafka."""
