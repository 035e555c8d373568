"""The stage `arrivals`: each click goes on to its user's partition, wherever its producer has put it.

It reads no more of a click than its user id. What has none that can be read is dead-lettered here, in the
words of the stage `clicks`; all else is for that stage to judge. It keeps nothing. A click that a replay has
sent goes on with its first place.
"""

from collections.abc import Sequence

import msgspec

from clickstream_processor.kafka.headers import headers_in
from clickstream_processor.kafka.partitioner import partition_of
from clickstream_processor.settings.settings import Settings
from clickstream_processor.stages.plain import PlainApplier, PlainLine
from clickstream_processor.stages.programs import Programs
from clickstream_processor.stages.stage import Stage, StageOutputs
from clickstream_processor.state.store import TaskStore
from clickstream_processor.task_id import ARRIVALS
from clickstream_processor.topology.arrived import PLACE, Arrived, Replays
from clickstream_processor.topology.erasing import erasure_in
from clickstream_processor.topology.inspection import fields_read, inspect
from clickstream_processor.topology.interfaces import Message
from clickstream_processor.topology.plan import Plan
from clickstream_processor.topology.records.codec import MAX_KEY_BYTES, checked_key
from clickstream_processor.topology.records.records import LATEST_MS, Reason
from clickstream_processor.topology.refusals import Refusals


class _Owned(msgspec.Struct, gc=False):
    """What is read of a click."""

    user_id: str


_decode_owned = msgspec.json.Decoder(_Owned).decode


class ArrivalsLine(PlainLine):
    """The line of one partition of the clicks. A Line.

    Its stream time is the newest record time, so that people see it move.
    """

    def __init__(
        self,
        store: TaskStore,
        partition: int,
        outputs: StageOutputs,
        plan: Plan,
        read: frozenset[str] | None,
        topic: str,
    ) -> None:
        """`read`: fields that expressions read, see Inspection.complaint. `topic`: where clicks go on."""
        super().__init__(store, partition, outputs)
        self._plan, self._read, self._topic = plan, read, topic
        self._refusals = Refusals(plan, self.counters, outputs)
        self._replays = Replays(plan.clicks_topic, plan.partitions, partition, headers_in)
        position = store.checkpoint.position
        if position is not None:
            self.state.stream_ms = position.stream_ms

    def records(self, messages: Sequence[Message], /) -> None:
        """Send clicks on, in order, each with the place where it arrived and its record's time."""
        send, topic, partitions = self.outputs.send, self._topic, self._plan.partitions
        max_bytes, place = self._plan.max_click_bytes, f"{self._plan.clicks_topic}-{self.partition}-"
        newest_ms = self.state.stream_ms
        said = headers_in(messages)
        again = self._replays.among(messages, said)
        for index, record in enumerate(messages):
            message = again.get(index, record) if again else record
            value, record_ms = message.value(), message.timestamp()[1]
            newest_ms = max(newest_ms, record_ms)
            try:
                user_id = _decode_owned(value).user_id  # type: ignore[arg-type] # None ends in TypeError
            except Exception as error:  # noqa: BLE001 # nothing that is in a record stops the line
                if index in said and erasure_in(said[index]) is not None:
                    continue  # of another pipeline that reads this topic
                found = self._user_id_in(message, error)
                if found is None:
                    continue
                user_id = found
            key = user_id.encode()
            if len(value or b"") > max_bytes or len(key) > MAX_KEY_BYTES:
                self._too_large(message, key)
                continue
            headers: list[tuple[str, str | bytes | None]]
            if isinstance(message, Arrived):
                headers = [(PLACE, str(message.place)), *(message.again.headers() if message.again else ())]
            else:
                headers = [(PLACE, f"{place}{message.offset()}")]
            # A click without a time gets that of its sending, which is what 0 means to the client.
            send(topic, value, key, partition_of(key, partitions), None, None, max(0, record_ms), headers)
        self.state.stream_ms = newest_ms

    def set_aside(self, message: Message, reason: Reason, detail: str, /) -> None:
        """Send one click's dead letter, which names where the click first arrived."""
        self.counters.clicks += 1
        if not isinstance(message, Arrived) and not self.outputs.bare:
            message = self._replays.arrived(message)
        self._refusals.dead_letter(message, reason, detail)

    def _user_id_in(self, message: Message, error: Exception) -> str | None:
        """Return the user id of a click that is flawed elsewhere; else dead-letter it."""
        value = message.value()
        worth = isinstance(error, msgspec.DecodeError | UnicodeDecodeError | RecursionError)
        if value is None or len(value) > self._plan.max_click_bytes or not worth:
            self._malformed(message, error)
            return None
        try:
            found = inspect(value)
            user_id = found.fields.get("user_id")
            if isinstance(user_id, str):
                return user_id
            complaint = found.complaint(self._read)
        except Exception as why:  # noqa: BLE001 # as above
            self._malformed(message, why)
            return None
        if complaint is None:
            self._malformed(message, error)
        else:
            self.set_aside(message, *complaint)
        return None

    def _too_large(self, message: Message, key: bytes) -> None:
        """Dead-letter a click that is too large, or whose user id is; a flaw of another field comes first."""
        value = message.value() or b""
        if len(value) > self._plan.max_click_bytes:
            self.counters.clicks += 1
            self._refusals.oversized(message, len(value))
            return
        try:
            complaint = inspect(value).complaint(self._read)
            if complaint is None:
                checked_key(key)
        except Exception as why:  # noqa: BLE001 # as above
            self._malformed(message, why)
            return
        if complaint is not None:
            self.set_aside(message, *complaint)

    def _malformed(self, message: Message, error: Exception) -> None:
        self.counters.clicks += 1
        self._refusals.malformed(message, error)


def arrivals_stage(settings: Settings, plan: Plan, programs: Programs) -> Stage:
    """Return the stage of a pipeline to whose clicks topic any partitioner may write."""
    read = fields_read(programs.expressions)
    topic, letters = settings.arrivals_topic, settings.topics.dead_letters

    def line(store: TaskStore, partition: int, outputs: StageOutputs, _: int) -> ArrivalsLine:
        return ArrivalsLine(store, partition, outputs, plan, read, topic)

    return Stage(
        name=ARRIVALS,
        input=settings.topics.clicks,
        line=line,
        applier=lambda store, _: PlainApplier(store),
        outputs=(topic, letters),
        spread=frozenset({topic}),
        grace_ms=LATEST_MS,  # its time closes nothing, so it is never too far ahead
    )
