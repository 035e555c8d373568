"""Conditions and status of a pipeline: what is said."""
