"""Decisions without I/O: what must change, roll-outs, scaling, deletion."""
