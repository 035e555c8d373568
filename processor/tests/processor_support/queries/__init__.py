"""Pods for the query side's tests, what is in them, and what is asked of them."""
