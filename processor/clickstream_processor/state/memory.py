"""How the pod's memory is divided: one block cache and one write-buffer manager for all its tasks.

RocksDB without them takes memory per database: enough tasks on one pod, and it is killed for it.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from rocksdict import Cache, WriteBufferManager

# What the interpreter, the Kafka client's queues and the query server need, whatever the tasks do; measured.
BASE_BYTES = 256 << 20
# A cached user with its share of the dictionary: 560 bytes with one chunk (measured), more with a second one
# and with the profile that expressions read.
USER_BYTES = 1_000
MINIMUM_BYTES = 8 << 20
BLOCK_BYTES = 4_096  # RocksDB's default, of which the cache makes its table
CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


@dataclass(frozen=True, slots=True)
class MemoryShares:
    """Bytes for each user of memory."""

    block_cache_bytes: int
    write_buffer_bytes: int
    working_set_bytes: int  # decoded users and chunks of all tasks of the pod together

    @staticmethod
    def of_limit(limit_bytes: int) -> "MemoryShares":
        """Divide a container's memory limit: what is left of it beyond the base, with a third kept free.

        The free third is for restore, fragmentation and the page cache that the limit counts too.
        """
        usable = max(4 * MINIMUM_BYTES, limit_bytes - BASE_BYTES) * 2 // 3
        return MemoryShares(
            block_cache_bytes=max(MINIMUM_BYTES, usable * 35 // 100),
            write_buffer_bytes=max(MINIMUM_BYTES, usable * 15 // 100),
            working_set_bytes=max(MINIMUM_BYTES, usable * 50 // 100),
        )


class StateMemory:
    """The shared cache and write-buffer manager; one per process, passed to every TaskStore.open."""

    def __init__(self, shares: MemoryShares) -> None:
        self.shares = shares
        # Not the LRU: of that each look-up takes a lock and moves an entry, three times for a row.
        self.block_cache = Cache.new_hyper_clock_cache(shares.block_cache_bytes, BLOCK_BYTES)
        self.write_buffers = WriteBufferManager(shares.write_buffer_bytes, allow_stall=False)

    def cached_users(self, tasks: int) -> int:
        """Return how many users each of `tasks` owned tasks may keep decoded."""
        return max(1_000, self.shares.working_set_bytes // USER_BYTES // max(1, tasks))

    def usage(self) -> dict[str, int]:
        """Return bytes in use: `block_cache`, `write_buffers`."""
        return {
            "block_cache": self.block_cache.get_usage(),
            "write_buffers": self.write_buffers.get_usage(),
        }


def container_limit_bytes() -> int:
    """Return the memory limit of this container (cgroup v2 or v1); without one, the machine's memory."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in CGROUP_LIMITS:
        try:
            return min(machine, int(Path(path).read_text()))
        except (OSError, ValueError):  # no such hierarchy, or "max"
            continue
    return machine
