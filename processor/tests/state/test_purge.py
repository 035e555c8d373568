"""What is deleted for an erasure leaves the files of a store, and a purge that is cut off begins again."""

from pathlib import Path

import msgspec
from clickstream_local.testing.eventually import eventually
from clickstream_processor.state.checkpoint import Checkpoint
from clickstream_processor.state.memory import MemoryShares, StateMemory
from clickstream_processor.state.store import TaskStore
from clickstream_processor.topology import keys

USER = b"needle-in-the-files"
KEY = keys.chunk_key(300_000, USER)


def has_user(path: Path) -> list[str]:
    """Return the tables and logs of writes that have the user; a manifest has tables' first and last keys."""
    files = [each for each in path.iterdir() if each.suffix in (".sst", ".log")]
    return [each.name for each in files if USER in each.read_bytes()]


def filled(path: Path) -> TaskStore:
    store = TaskStore.open(path, StateMemory(MemoryShares(8 << 20, 8 << 20, 1_000)))
    others = ((keys.chunk_key(300_000, b"user%06d" % n), b"x" * 20) for n in range(50_000))
    store.write([(KEY, b"1"), *others], Checkpoint(changelog_offset=1))
    store.flush()
    return store


def test_what_is_only_deleted_stays_in_the_files_and_what_is_erased_leaves_them(tmp_path: Path) -> None:
    store = filled(tmp_path / "clicks-0")
    assert has_user(store.path)
    store.write([(KEY, None)], Checkpoint(changelog_offset=2))
    store.flush()
    assert has_user(store.path)
    store.write([(KEY, None)], Checkpoint(changelog_offset=3), erases=True)
    assert store.checkpoint.unpurged
    eventually(lambda: not store.unpurged, "the purge")
    assert not has_user(store.path)
    assert store.get(keys.chunk_key(300_000, b"user000007")) == b"x" * 20
    store.write((), Checkpoint(changelog_offset=4))
    assert Checkpoint.decode(store.get(keys.CHECKPOINT) or b"").unpurged is False
    store.close()


def test_a_key_whose_file_only_moves_down_leaves_it_too(tmp_path: Path) -> None:
    """RocksDB moves a file that overlaps no other as it is, with what says that the key is deleted."""
    store = TaskStore.open(tmp_path / "clicks-0", StateMemory(MemoryShares(8 << 20, 8 << 20, 1_000)))
    store.write([(KEY, b"1"), (keys.chunk_key(0, b"a"), b"1")], Checkpoint(changelog_offset=1))
    store.write([(KEY, None)], Checkpoint(changelog_offset=2), erases=True)
    eventually(lambda: not store.unpurged, "the purge")
    assert not has_user(store.path)
    store.close()


def test_a_store_may_close_at_any_time_and_goes_on_with_the_purge_when_it_is_opened(tmp_path: Path) -> None:
    path, memory = tmp_path / "clicks-0", StateMemory(MemoryShares(8 << 20, 8 << 20, 1_000))
    filled(path).close()
    for offset in range(5):
        store = TaskStore.open(path, memory)
        changes = [(KEY, None), (b"k%d" % offset, b"1")]
        store.write(changes, msgspec.structs.replace(store.checkpoint, changelog_offset=offset), erases=True)
        store.close()
    store = TaskStore.open(path, memory)
    assert store.checkpoint.changelog_offset == 4
    assert [store.get(b"k%d" % offset) for offset in range(5)] == [b"1"] * 5
    eventually(lambda: not store.unpurged, "the purge")
    assert not has_user(path)
    store.close()
