"""What a task has in hand: decoded users and chunks, the clocks, and what has changed since the last commit.

One look-up by the record's key gives a user with the profile's pre-encoded JSON and the chunks last used, so
that an event costs one dictionary look-up. Users that were not seen for two cohorts fall out; cohorts
change only at a commit, when nothing that is cached differs from the committed state.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

from clickstream_processor.errors import StateCorrupted
from clickstream_processor.topology import keys
from clickstream_processor.topology.erasing import CommittedKeys
from clickstream_processor.topology.plan import Plan
from clickstream_processor.topology.records.codec import (
    DECODE_ERRORS,
    checked_key,
    decode_profile,
    malformation,
    malformed,
)
from clickstream_processor.topology.records.notices import notice_in
from clickstream_processor.topology.records.records import Profile, Reason
from clickstream_processor.topology.users.chunk import Chunk
from clickstream_processor.topology.users.join import enriched_head
from clickstream_processor.topology.users.users import User, Users

MAX_HEAD_BYTES = 900_000  # where the enriched topic's limit is not known

PartitionOf = Callable[[bytes, int], int]


class CommittedState(Protocol):
    """The committed state under a working set: one ordered mapping (a TaskStore; in tests, a dict)."""

    def get(self, key: bytes, /) -> bytes | None:
        """Return the value of a key of topology/keys.py, or None."""

    def scan(self, first: bytes, end: bytes, /) -> Iterator[tuple[bytes, bytes]]:
        """Yield entries with first <= key < end in the order of their keys."""


class WorkingSet:
    """Uncommitted changes and a bounded cache over committed state. Belongs to one thread."""

    def __init__(
        self,
        committed: CommittedState,
        plan: Plan,
        stream_ms: int = -1,
        closed_ms: int = -1,
        cached_users: int = 100_000,
    ) -> None:
        self.plan = plan
        self.stream_ms = stream_ms  # greatest event time that reached the count, as far as it is believed
        self.closed_ms = (
            closed_ms  # windows with end + grace up to this are closed: stream time, or a later tick
        )
        # An event time is believed as far as `grace` beyond the newest record time known (ADR 0051). Both are
        # part of the position: clicks that are read again meet the same rule.
        self.record_ms = -1  # newest record time that was asked for
        self.ahead_ms = -1  # greatest event time of the clicks that led by more
        self.metrics_ms = -1  # what marks say: stream time, or a later tick
        self.sessions_ms = -1  # up to which the clock has closed sessions, where that is later
        self.lag_ms = 0  # by how much stream time was behind record time at the last click
        self.profiles_offset = -1  # next offset of the profiles topic
        self.emitted_ms = closed_ms  # `emit: final`: results up to this closed_ms have been handed out
        self.profile_reads = 0  # look-ups that the cache did not answer, since this was made
        self.chunk_reads = 0
        self.users = Users(self._load, {})
        self.touched: list[Chunk] = []  # in the order of the first change; see Chunk.touched
        self.changes: list[tuple[bytes, bytes]] = []  # what the last flush encoded, to be committed
        self.pending_profiles: dict[bytes, bytes | None] = {}  # by user key; None: deleted
        self.committed = CommittedKeys(committed)  # without what is erased
        self._displaced: dict[tuple[int, bytes], Chunk] = {}  # touched chunks that no user holds any more
        self._cohort = max(1, cached_users // 2)
        self._windows = plan.windows
        self._keeps_profiles = False
        self.max_head_bytes = MAX_HEAD_BYTES  # a larger profile makes no enriched click that its topic takes
        self._partition = -1
        self._partition_of: PartitionOf | None = None

    @property
    def newest_ms(self) -> int:
        """Return a time that no committed chunk starts after."""
        return max(self.stream_ms, self.ahead_ms)

    def bind(self, partition: int, partition_of: PartitionOf, *, keep_profiles: bool) -> None:
        """Say which partition this is, and whether users keep their profiles for expressions."""
        self._partition = partition
        self._partition_of = partition_of
        self._keeps_profiles = keep_profiles
        self.forget()

    def set_profile(self, key: bytes | None, value: bytes | None) -> None:
        """Apply one record of the profiles topic; raises MalformedRecord where it is refused."""
        key, name = checked_key(key)
        check_partition(key, self._partition, self.plan.partitions, self._partition_of)
        profile = checked_profile(name, value)
        self.pending_profiles[key] = value
        user = self.users.get(key) or self.users.older.get(key)
        if user is not None:
            self._give(user, profile, value)

    def turn(self, user: User, start_ms: int) -> None:
        """Let the user be its chunk that starts at `start_ms`; the one it was becomes `user.other`."""
        arriving = self._beside(user, start_ms)
        leaving = None
        if user.start_ms >= 0:
            leaving = Chunk(user.user_key, user.label)
            leaving.become(user)
            if leaving.touched:
                self.touched.append(leaving)  # the user's own entry from now on stands for the other chunk
        if arriving is None and start_ms > user.newest_ms:
            user.begin(start_ms, len(self._windows.in_chunk(start_ms)))
        elif arriving is None:
            self._read(user, start_ms)
        else:
            user.become(arriving)
            arriving.touched = 0
            if user.touched:
                self.touched.append(user)
        user.other = leaving
        user.newest_ms = max(user.newest_ms, start_ms)

    def earlier(self, user: User, start_ms: int) -> Chunk:
        """Return another chunk than the user is, and keep it as `user.other`."""
        chunk = self._beside(user, start_ms)
        if chunk is None:
            chunk = Chunk(user.user_key, user.label)
            self._read(chunk, start_ms)
        user.other = chunk
        return chunk

    def committed_or_changed(self, first: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield chunks with first <= key < end, as they are when the last flush is committed."""
        changed = {key: value for key, value in self.changes if first <= key < end}
        for key, value in self.committed.scan(first, end):
            yield key, changed.pop(key, value)
        yield from changed.items()

    def erase(self, users: Mapping[bytes, Iterable[bytes]]) -> None:
        """Forget all of users but the profile, committed or not, with keys that the state may not have.

        The keys are `committed.erased`, until the commit.
        """
        for chunk in self.touched:
            if chunk.user_key in users:
                chunk.touched = 0
        self._displaced = {place: chunk for place, chunk in self._displaced.items() if place[1] not in users}
        for user_key in users:
            self.users.pop(user_key, None)
            self.users.older.pop(user_key, None)
        self.committed.erase(users)

    def settle(self) -> None:
        """After the commit: nothing is uncommitted any more; let the oldest users go if there are many."""
        self.committed.settle()
        self.touched = []
        self.changes = []
        self.pending_profiles = {}
        self._displaced = {}
        if len(self.users) > self._cohort:
            self.users.older = {}  # or every cohort there ever was would hang on its successor
            self.users = Users(self._load, self.users)

    def forget(self) -> None:
        """Drop the cache and every uncommitted effect of clicks; profile changes stay."""
        self.users = Users(self._load, {})
        self.touched = []
        self.changes = []
        self._displaced = {}
        self.committed.settle()

    def _load(self, key: bytes | None) -> User:
        """Return a user from committed state; raises MalformedRecord where the key cannot be right here.

        The partition is computed only without a profile: profiles were checked when they came.
        """
        key, name = checked_key(key)
        user = User(key, name, self.newest_ms)
        if key in self.pending_profiles:
            row = self.pending_profiles[key]
        else:
            self.profile_reads += 1
            row = self.committed.get(keys.profile_key(key))
        if row is None:
            check_partition(key, self._partition, self.plan.partitions, self._partition_of)
            self._give(user, None, None)
            return user
        try:
            profile = decode_profile(row)
        except RecursionError as error:  # depends on who calls: it was read when it came
            raise malformed(Reason.NOT_JSON, "the user's profile is nested too deeply") from error
        except DECODE_ERRORS as error:
            raise StateCorrupted(f"the stored profile of {name!r} cannot be read: {error}") from error
        self._give(user, profile, row)
        return user

    def _give(self, user: User, profile: Profile | None, row: bytes | None) -> None:
        """Let the user have this profile from here on."""
        if self._keeps_profiles:
            user.profile, user.row = profile, row
        if profile is None and self.plan.join == "left":
            profile = Profile(user.name)
        user.head = enriched_head(profile) if profile else None
        user.head_bytes = 0
        if user.head is not None and 4 * len(user.head) > self.max_head_bytes:
            size = len(user.head.encode())
            if size > self.max_head_bytes:
                user.head, user.head_bytes = None, size

    def _beside(self, user: User, start_ms: int) -> Chunk | None:
        """Return a decoded chunk of the user other than the one it is, making room for it at `user.other`."""
        other = user.other
        if other is not None:
            if other.start_ms == start_ms:
                return other
            if other.touched:
                self._displaced[other.start_ms, other.user_key] = other
        return self._displaced.pop((start_ms, user.user_key), None)

    def _read(self, chunk: Chunk, start_ms: int) -> None:
        """Let an object be the committed chunk, or an empty one."""
        starts = self._windows.in_chunk(start_ms)
        chunk.begin(start_ms, len(starts))
        self.chunk_reads += 1
        value = self.committed.get(keys.chunk_key(start_ms, chunk.user_key))
        if value is not None:
            chunk.decode(value, starts.start, self._windows.advance_ms)


def check_partition(key: bytes, partition: int, partitions: int, partition_of: PartitionOf | None) -> None:
    """Raise MalformedRecord where another partition is the key's: its producer partitions in another way."""
    if partition_of is not None and (right := partition_of(key, partitions)) != partition:
        raise malformed(Reason.WRONG_PARTITION, f"partition {partition}; murmur2 of the key says {right}")


def checked_profile(name: str, value: bytes | None) -> Profile | None:
    """Return the profile in a record of user `name`, None for a tombstone; raises MalformedRecord."""
    if value is None:
        return None
    try:
        profile = decode_profile(value)
    except DECODE_ERRORS as error:
        raise malformed(*(notice_in(value) or malformation(error))) from error
    if profile.user_id != name:
        raise malformed(Reason.KEY_MISMATCH, "user_id is not the key")
    return profile
