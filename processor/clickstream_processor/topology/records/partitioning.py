"""Which partition a key belongs to: Kafka's default partitioner (murmur2), as Java producers use it."""

MASK = 0xFFFFFFFF
M = 0x5BD1E995
SEED = 0x9747B28C


def murmur2(key: bytes) -> int:
    """Return the unsigned 32-bit hash of org.apache.kafka.common.utils.Utils.murmur2."""
    length = len(key)
    h = SEED ^ length
    whole = length & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(key[i : i + 4], "little") * M & MASK
        k = (k ^ k >> 24) * M & MASK
        h = (h * M & MASK) ^ k
    if length != whole:
        h = (h ^ int.from_bytes(key[whole:], "little")) * M & MASK
    h = (h ^ h >> 13) * M & MASK
    return h ^ h >> 15


def murmur2_partition(key: bytes, partitions: int) -> int:
    """Return the partition of `key` among `partitions`."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
