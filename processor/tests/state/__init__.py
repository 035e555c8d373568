"""The store of a task, and what queries read of it."""
