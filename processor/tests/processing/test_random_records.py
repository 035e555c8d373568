"""Whatever is sent comes out exactly once: random bytes, depths, sizes, codecs and times through a real pod.

Some 20 s in the gate, from a fixed seed. `make test-long` sends fresh ones for CLICKSTREAM_LONG_MINUTES (3).
"""

import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from clickstream_chaos.load.odd import BLOWN, CODECS, KINDS, Odd, user
from clickstream_chaos.load.odd import USERS as ODD_USERS
from clickstream_chaos.load.sender import OddSender
from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.eventually import eventually
from clickstream_local.testing.fixtures import Topics
from clickstream_local.testing.randomised import LONG, seed
from processor_support.runtime_rig import Rig, headers_of, users

MINUTES = float(os.environ.get("CLICKSTREAM_LONG_MINUTES") or 3) if LONG else 1 / 3
SEED = 20
NAMES = users(20)
PARTITIONS = 2
BATCH = 25  # odd records between two looks at the pod
TRANSFORM = {
    "channel": 'has(click.channel) ? click.channel : "web"',
    "blown": f'has(click.blow) ? {" + ".join(["click.blow"] * BLOWN)} : ""',
}


@pytest.fixture
def rig(kafka: Kafka, topics: Topics, tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(kafka, topics, tmp_path, partitions=PARTITIONS, processing={"transform": {"set": TRANSFORM}})
    rig.send_profiles([*NAMES, *map(user, range(ODD_USERS))])
    rig.send_clicks(200, NAMES)
    rig.start()
    rig.wait_until_running()
    yield rig
    rig.stop()


def random_record(chance: random.Random, name: str, now_ms: int) -> Odd:
    """Return a click with bytes changed, cut or put in, or a value of random shape; any codec, any time."""
    fields = {"user_id": name, "page_url": "/r", "action": "view", "timestamp": now_ms}
    fields[chance.choice(("x", "channel", "page_url", "timestamp"))] = random_value(
        chance, chance.randrange(9)
    )
    text = bytearray(json.dumps(fields).encode())
    for _ in range(chance.choice((0, 0, 1, 3))):
        at = chance.randrange(len(text))
        text[at : at + chance.randrange(4)] = chance.randbytes(chance.randrange(4))
    record_ms = chance.choice((now_ms, now_ms - chance.randrange(10**10), 1 + chance.randrange(now_ms)))
    return Odd(name.encode(), bytes(text), record_ms, chance.choice(CODECS))


def random_value(chance: random.Random, depth: int) -> object:
    if depth and chance.random() < 0.7:
        inner = [random_value(chance, depth - 1) for _ in range(chance.randrange(3))]
        return inner if chance.random() < 0.5 else {str(n): value for n, value in enumerate(inner)}
    texts = ("", "é", "\ud83d", "\x00", "x" * chance.randrange(3_000))
    return chance.choice((None, True, chance.randrange(-(2**70), 2**70), chance.random() * 1e300, *texts))


@pytest.mark.timeout(int(MINUTES * 60) + 900)
def test_every_record_comes_out_exactly_once_and_no_process_ends(rig: Rig, kafka: Kafka) -> None:
    number = seed(SEED)
    print(f"seed {number}; for {MINUTES:.1f} minutes")
    chance, pid = random.Random(number), rig.processes[0].pid
    sender = OddSender(kafka.bootstrap, rig.names["clicks"], PARTITIONS)
    end_s, odd = time.monotonic() + MINUTES * 60, 0
    while time.monotonic() < end_s or not odd:
        for _ in range(BATCH):
            now_ms = int(time.time() * 1_000)
            if chance.random() < 0.5:
                odd += sender.send(chance, chance.choice(sorted(KINDS)), now_ms)
            else:
                odd += sender.deliver(random_record(chance, user(chance.randrange(ODD_USERS)), now_ms))
        rig.send_clicks(20, NAMES)
        assert rig.processes[0].is_running(), rig.processes[0].tail()
    rig.sent += odd
    eventually(
        lambda: rig.handled() >= rig.sent, "every record is behind a committed position", timeout_s=300
    )
    assert rig.processes[0].pid == pid, "the pod ended"
    assert rig.processes[0].is_running()
    account(rig)


def account(rig: Rig) -> None:
    """Compare: a record is an enriched click or a dead letter, once, or a heartbeat; a late one is both."""
    enriched = Counter(json.loads(m.value() or b"")["event_id"] for m in rig.committed(rig.names["enriched"]))
    letters: dict[str, list[str]] = {}
    for message in rig.committed(rig.names["deadLetters"]):
        headers = headers_of(message)
        place = f"{rig.names['clicks']}-{headers['source-partition']}-{headers['source-offset']}"
        letters.setdefault(place, []).append(headers["reason"])
    filtered = 0
    for message in rig.committed(rig.names["clicks"]):
        place = f"{rig.names['clicks']}-{message.partition()}-{message.offset()}"
        found = enriched.pop(place, 0), letters.pop(place, [])
        if found == (0, []):
            assert b"heartbeat" in (message.value() or b""), (
                f"{place} is lost: {(message.value() or b'')[:200]!r}"
            )
            filtered += 1
        else:
            assert found in ((1, []), (1, ["late"])) or (found[0] == 0 and len(found[1]) == 1), (
                f"{place}: {found}"
            )
    assert (dict(enriched), letters) == ({}, {}), "outputs of no record"
    assert rig.metric("clickstream_records_dropped_total", reason="filtered") == filtered
