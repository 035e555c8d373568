"""The reference pipeline: its options, its parts in order, what it writes."""
