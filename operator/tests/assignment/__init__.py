"""The controller: planner, health of pods, records, and the controller itself on a real Kafka."""
