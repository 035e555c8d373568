"""How the pod's memory is divided: one block cache and one write-buffer manager for all tasks."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MemoryShares:
    """Bytes for each user of memory, from the pod's limit."""

    block_cache_bytes: int
    write_buffer_bytes: int
    working_set_bytes: int  # of all tasks of the pod together

    @staticmethod
    def of_limit(limit_bytes: int) -> "MemoryShares":
        """Divide a container's memory limit."""
        raise NotImplementedError


class StateMemory:
    """The shared cache and write-buffer manager; one per process, passed to every TaskStore.open."""

    def __init__(self, shares: MemoryShares) -> None:
        raise NotImplementedError

    def cached_users(self, tasks: int) -> int:
        """Return how many users each of `tasks` owned tasks may keep decoded."""
        raise NotImplementedError

    def usage(self) -> dict[str, int]:
        """Return bytes in use: `block_cache`, `write_buffers`."""
        raise NotImplementedError


def container_limit_bytes() -> int:
    """Return the memory limit of this container (cgroup v2 or v1), or the machine's memory where none is set."""
    raise NotImplementedError
