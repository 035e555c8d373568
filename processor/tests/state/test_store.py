"""The store: atomic batches, what a crash leaves, readers and close, what is refused."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from clickstream_processor.errors import (
    LayoutChanged,
    StateCorrupted,
    StateTooNew,
    StateUnavailable,
    StoreClosed,
)
from clickstream_processor.state.checkpoint import FORMAT_VERSION, Checkpoint, Position
from clickstream_processor.state.memory import MemoryShares, StateMemory
from clickstream_processor.state.overlay import TaskState
from clickstream_processor.state.store import BATCH_KEYS, TaskStore
from clickstream_processor.topology import keys
from clickstream_processor.topology.plan import Plan
from rocksdict import Options, Rdict


@pytest.fixture
def memory() -> StateMemory:
    return StateMemory(MemoryShares.of_limit(0))


@pytest.fixture
def store(tmp_path: Path, memory: StateMemory) -> Iterator[TaskStore]:
    opened = TaskStore.open(tmp_path / "clicks-0", memory)
    yield opened
    opened.close()


def chunk(start_ms: int, user: bytes) -> tuple[bytes, bytes]:
    return keys.chunk_key(start_ms, user), b"value of %d" % start_ms


def test_a_write_is_read_back_after_reopening_with_its_checkpoint(
    tmp_path: Path, memory: StateMemory
) -> None:
    store = TaskStore.open(tmp_path / "s", memory)
    wanted = Checkpoint(7, 8, Position(9, 10, 11, 12, 13, 14), 15, True, "layout")
    store.write([(b"pa", b"1"), (b"pb", b"2")], wanted)
    store.write([(b"pa", None)], wanted)
    store.close()
    store.close()
    again = TaskStore.open(tmp_path / "s", memory)
    assert again.checkpoint == wanted
    assert (again.get(b"pa"), again.get(b"pb")) == (None, b"2")
    again.close()


@pytest.mark.parametrize("keys_written", [BATCH_KEYS - 1, BATCH_KEYS, BATCH_KEYS + 1, 2 * BATCH_KEYS])
def test_a_write_of_many_keys_is_whole(store: TaskStore, keys_written: int) -> None:
    store.write(((b"p%d" % n, b"v") for n in range(keys_written)), Checkpoint(changelog_offset=1))
    assert sum(1 for _ in store.scan(b"p", b"q")) == keys_written
    assert store.checkpoint.changelog_offset == 1


def test_chunks_that_start_before_the_bound_are_dropped_in_bulk(store: TaskStore) -> None:
    store.write([chunk(n * 10, b"alice") for n in range(10)] + [(b"palice", b"{}")], Checkpoint())
    store.write([chunk(20, b"bob"), chunk(90, b"bob")], Checkpoint(dropped_before_ms=50))
    kept = [keys.chunk_start_ms(key) for key, _ in store.scan(b"c", b"d")]
    assert kept == [50, 60, 70, 80, 90, 90]
    assert store.get(b"palice") == b"{}"


def test_a_scan_has_its_end_excluded(store: TaskStore) -> None:
    store.write([chunk(n, b"u") for n in (1, 255, 256, 257)], Checkpoint())
    found = [keys.chunk_start_ms(key) for key, _ in store.scan(keys.chunk_bound(255), keys.chunk_bound(257))]
    assert found == [255, 256]


WRITER = """
import sys, itertools
from pathlib import Path
from clickstream_processor.state.checkpoint import Checkpoint
from clickstream_processor.state.memory import MemoryShares, StateMemory
from clickstream_processor.state.store import TaskStore
store = TaskStore.open(Path(sys.argv[1]), StateMemory(MemoryShares.of_limit(0)))
bulk = sys.argv[2] == "bulk"
value = b"x" * 500
for n in itertools.count(store.checkpoint.changelog_offset + 1):
    store.write([(b"p%d" % user, b"%d " % n + value) for user in range(500)], Checkpoint(n), bulk=bulk)
    print(n, flush=True)
"""


@pytest.mark.parametrize("mode", ["logged", "bulk", "bulk, then logged"])
def test_killed_at_any_moment_data_and_offset_are_of_one_batch(
    tmp_path: Path, memory: StateMemory, mode: str
) -> None:
    path = tmp_path / "s"
    for round_number in range(4):
        kind = mode if mode != "bulk, then logged" else ("bulk", "logged")[round_number % 2]
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), kind], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        shown = [int(writer.stdout.readline()) for _ in range(15 + 7 * round_number)][-1]
        os.kill(writer.pid, signal.SIGKILL)
        shown = max([shown, *(int(line) for line in writer.stdout.read().split() if line.isdigit())])
        writer.wait()
        store = TaskStore.open(path, memory)
        offset = store.checkpoint.changelog_offset
        rows = {value.split()[0] for _, value in store.scan(b"p", b"q")}
        assert rows == ({b"%d" % offset} if offset >= 0 else set())
        if kind == "logged":
            assert offset in (shown, shown + 1), "a finished write was lost with its process"
        store.close()


def test_a_logged_write_after_a_bulk_one_keeps_both(tmp_path: Path, memory: StateMemory) -> None:
    program = """
import os, sys
from pathlib import Path
from clickstream_processor.state.checkpoint import Checkpoint
from clickstream_processor.state.memory import MemoryShares, StateMemory
from clickstream_processor.state.store import TaskStore
store = TaskStore.open(Path(sys.argv[1]), StateMemory(MemoryShares.of_limit(0)))
store.write([(b"pa", b"1")], Checkpoint(1), bulk=True)
store.write([(b"pb", b"2")], Checkpoint(2))
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "s")], check=False)
    store = TaskStore.open(tmp_path / "s", memory)
    assert (store.checkpoint.changelog_offset, store.get(b"pa"), store.get(b"pb")) == (2, b"1", b"2")
    store.close()


# What is refused


def test_a_format_that_is_newer_is_refused_and_left_as_it_is(tmp_path: Path, memory: StateMemory) -> None:
    store = TaskStore.open(tmp_path / "s", memory)
    later = msgspec.structs.replace(Checkpoint(), format_version=FORMAT_VERSION + 1)
    store.write([(b"pa", b"1")], later)
    store.close()
    for _ in range(2):
        with pytest.raises(StateTooNew):
            TaskStore.open(tmp_path / "s", memory)


def test_a_newer_position_is_refused() -> None:
    with pytest.raises(StateTooNew):
        Position.decode(b'{"version":2,"clicks":"another shape"}')
    assert Position.decode(Position(5, 6, 7, 8, 9, 10).encode()) == Position(5, 6, 7, 8, 9, 10)


def damaged_block(path: Path) -> None:
    file = max(path.glob("*.sst"), key=lambda p: p.stat().st_size)
    content = bytearray(file.read_bytes())
    for at in range(len(content) // 4, len(content) // 2):
        content[at] ^= 0x55
    file.write_bytes(content)


def missing_file(path: Path) -> None:
    next(path.glob("*.sst")).unlink()


def broken_manifest(path: Path) -> None:
    (path / "CURRENT").write_text("junk")


def broken_checkpoint(path: Path) -> None:
    database = Rdict(str(path), Options(raw_mode=True))
    database[keys.CHECKPOINT] = b"{"
    database.close()


def read_whole(path: Path, memory: StateMemory) -> None:
    store = TaskStore.open(path, memory)
    try:
        list(store.scan(b"p", b"q"))
    finally:
        store.close()


@pytest.mark.parametrize("damage", [damaged_block, missing_file, broken_manifest, broken_checkpoint])
def test_damage_is_corruption_and_destroy_clears_it(
    tmp_path: Path, memory: StateMemory, damage: Callable[[Path], None]
) -> None:
    path = tmp_path / "s"
    store = TaskStore.open(path, memory)
    store.write([(b"p%06d" % n, os.urandom(100)) for n in range(5_000)], Checkpoint(3))
    store.close()
    damage(path)
    with pytest.raises(StateCorrupted):
        read_whole(path, memory)
    TaskStore.destroy(path)
    TaskStore.destroy(path)
    assert TaskStore.open(path, memory).checkpoint == Checkpoint()


def test_a_store_that_is_open_elsewhere_is_unavailable_not_corrupt(
    store: TaskStore, memory: StateMemory
) -> None:
    with pytest.raises(StateUnavailable):
        TaskStore.open(store.path, memory)


def test_a_path_that_cannot_be_made_is_unavailable(tmp_path: Path, memory: StateMemory) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateUnavailable):
        TaskStore.open(tmp_path / "file" / "s", memory)


def test_state_of_other_windows_is_refused(store: TaskStore) -> None:
    plan = Plan("t", 1)
    TaskState(store, plan).commit(Position(1), 1)
    TaskState(store, plan)
    with pytest.raises(LayoutChanged):
        TaskState(store, Plan("t", 1, size_ms=60_000))


# Readers


def test_a_reader_after_close_gets_store_closed(tmp_path: Path, memory: StateMemory) -> None:
    store = TaskStore.open(tmp_path / "s", memory)
    store.close()
    with pytest.raises(StoreClosed), store.reader():
        pass
    with pytest.raises(StoreClosed):
        store.get(b"p")
    with pytest.raises(StoreClosed):
        store.write([], Checkpoint())


def test_close_waits_for_a_reader_that_is_inside(tmp_path: Path, memory: StateMemory) -> None:
    store = TaskStore.open(tmp_path / "s", memory)
    store.write([(b"pa", b"1")], Checkpoint())
    with store.reader() as database:
        closing = threading.Thread(target=store.close)
        closing.start()
        deadline = time.monotonic() + 10
        while True:  # once the closer waits, newcomers are refused
            try:
                with store.reader():
                    assert time.monotonic() < deadline
            except StoreClosed:
                break
        assert closing.is_alive()
        assert database.get(b"pa") == b"1"
    closing.join(10)
    assert not closing.is_alive()


def test_readers_on_other_threads_see_values_or_store_closed_while_the_worker_writes_and_closes(
    tmp_path: Path, memory: StateMemory
) -> None:
    store = TaskStore.open(tmp_path / "s", memory)
    store.write([(b"pa", b"0")], Checkpoint())
    last = 299
    seen: list[list[int]] = [[], [], []]  # by each reader
    at_last = [threading.Event() for _ in seen]
    refused: list[BaseException] = []

    def read(values: list[int], arrived: threading.Event) -> None:
        try:
            while True:
                with store.reader() as database:
                    value = int(bytes(database.get(b"pa") or b""))
                if values[-1:] != [value]:
                    values.append(value)
                if value == last:
                    arrived.set()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test wants to see it
            refused.append(error)

    readers = [threading.Thread(target=read, args=each) for each in zip(seen, at_last, strict=True)]
    for reader in readers:
        reader.start()
    for n in range(last + 1):
        store.write([(b"pa", b"%d" % n)], Checkpoint())
    assert all(arrived.wait(60) for arrived in at_last), "a reader never saw what was written last"
    store.close()
    for reader in readers:
        reader.join(10)
    assert [type(error) for error in refused] == [StoreClosed] * 3
    for values in seen:
        assert values == sorted(values), "a reader saw an older value after a newer one"
        assert values[-1] == last


def test_tasks_share_one_bounded_cache(tmp_path: Path) -> None:
    shares = MemoryShares(block_cache_bytes=4 << 20, write_buffer_bytes=8 << 20, working_set_bytes=1)
    memory = StateMemory(shares)
    stores = [TaskStore.open(tmp_path / f"clicks-{number}", memory) for number in range(3)]
    for store in stores:
        rows = ((b"p%06d" % number, os.urandom(1_000)) for number in range(8_000))
        store.write(rows, Checkpoint())
        store.flush()
    for number in range(8_000):
        for store in stores:
            assert store.get(b"p%06d" % number) is not None
    in_use = memory.usage()["block_cache"]
    for store in stores:
        store.close()
    assert shares.block_cache_bytes // 2 < in_use <= shares.block_cache_bytes
