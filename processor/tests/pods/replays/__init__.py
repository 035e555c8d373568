"""Replays of dead letters through whole pods."""
