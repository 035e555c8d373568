"""What the operator does for replays: decisions, status, objects."""
