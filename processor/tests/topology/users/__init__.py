"""What a task has in hand of its users."""
