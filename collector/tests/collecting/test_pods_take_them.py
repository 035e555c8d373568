"""What the collector writes is what a pod reads: the key, the partition, the fields, the reasons."""

import pytest
from clickstream_processor.topology.records.codec import checked_key, decode_click
from clickstream_processor.topology.records.partitioning import murmur2_partition
from clickstream_processor.topology.records.records import EARLIEST_MS, LATEST_MS, Reason
from collector_support import bodies
from collector_support.running import RunningCollector

USERS = ["alice123", "anon:b1f0", "Zoë", "用户", "x" * 1_000]


@pytest.mark.parametrize("user", USERS, ids=lambda user: user[:9])
def test_a_pod_reads_the_click_and_finds_it_in_the_users_partition(
    collector: RunningCollector, user: str
) -> None:
    assert collector.post("/v1/clicks", bodies.own(user)).status == 200
    record = next(each for each in collector.read(collector.clicks) if each.key == user)
    click = decode_click(record.raw)
    assert (click.user_id, click.page_url, click.action) == (user, bodies.URL, bodies.ACTION)
    assert EARLIEST_MS <= click.timestamp <= LATEST_MS
    key, said = checked_key(user.encode())
    assert said == user
    assert record.partition == murmur2_partition(key, 3)


def test_reasons_are_those_of_the_pods(collector: RunningCollector) -> None:
    collector.post("/v1/clicks", [7, {"user_id": "a"}])
    reasons = {record.headers["reason"] for record in collector.read(collector.letters)}
    assert reasons
    assert reasons <= {reason.value for reason in Reason}
