"""Our murmur2 is Kafka's."""

import confluent_kafka
import pytest
from clickstream_processor.topology.records.partitioning import murmur2, murmur2_partition
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("key", "signed"),
    [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536)],
)
def test_murmur2_gives_the_values_of_kafkas_own_test(key: bytes, signed: int) -> None:
    assert murmur2(key) == signed & 0xFFFFFFFF  # org.apache.kafka.common.utils.UtilsTest


@settings(deadline=None)
@given(st.binary(max_size=64), st.integers(1, 512))
def test_a_key_goes_where_the_client_puts_it(key: bytes, partitions: int) -> None:
    assert murmur2_partition(key, partitions) == confluent_kafka.murmur2(key, partitions)
