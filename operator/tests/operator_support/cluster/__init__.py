"""A real control plane for tests, and what stands in for the rest of a cluster."""
