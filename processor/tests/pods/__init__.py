"""Whole pods on a real broker: killed, moved, asked while they start, fixed by hand."""
