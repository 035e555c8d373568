"""Profiles and clicks that are made up, and who sends them."""
