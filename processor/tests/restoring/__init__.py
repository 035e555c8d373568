"""What a task does with the local state it finds."""
