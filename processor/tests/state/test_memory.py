"""The pod's memory: bounded shares, whatever the limit."""

import pytest
from clickstream_processor.state.memory import (
    BASE_BYTES,
    MemoryShares,
    StateMemory,
    container_limit_bytes,
)


@pytest.mark.parametrize("limit_mib", [512, 1024, 4096])
def test_the_shares_and_the_base_leave_a_part_of_the_limit_free(limit_mib: int) -> None:
    limit = limit_mib << 20
    shares = MemoryShares.of_limit(limit)
    used = shares.block_cache_bytes + shares.write_buffer_bytes + shares.working_set_bytes
    assert 0.3 * limit < used + BASE_BYTES < 0.85 * limit


def test_a_tiny_limit_still_works() -> None:
    shares = MemoryShares.of_limit(0)
    assert min(shares.block_cache_bytes, shares.write_buffer_bytes, shares.working_set_bytes) > 0


def test_owned_tasks_share_the_working_set() -> None:
    memory = StateMemory(MemoryShares.of_limit(1 << 30))
    assert memory.cached_users(12) == pytest.approx(memory.cached_users(1) / 12, rel=0.01)
    assert memory.cached_users(0) == memory.cached_users(1)


def test_the_container_has_a_limit() -> None:
    assert container_limit_bytes() > 64 << 20
