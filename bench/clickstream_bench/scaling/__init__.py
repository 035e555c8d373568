"""How the processor's cost goes with its size: pods, users, partitions, time; what PostgreSQL pays."""
