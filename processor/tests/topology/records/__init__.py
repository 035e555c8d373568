"""Records of the topology: their partitions, and what a replay has sent."""
