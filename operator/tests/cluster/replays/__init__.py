"""Replays on a real API server, with the Job controller."""
