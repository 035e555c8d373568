"""The names of a pipeline's tasks, as docs/reference/protocol.md has them."""

CLICKS = "clicks"  # the one stage


def task_names(partitions: int) -> tuple[str, ...]:
    """Return the name of each task, in order."""
    return tuple(f"{CLICKS}-{partition}" for partition in range(partitions))
