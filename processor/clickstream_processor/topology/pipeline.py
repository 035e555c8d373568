"""One task's line: what becomes of each record between the consumer and the transaction.

Pure: no I/O, no clock, no randomness. Everything it produces goes through `Outputs`, everything it
remembers is in the `WorkingSet`, which the caller commits or rolls back.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec
from clickstream_expressions.errors import EvaluationFailed

from clickstream_processor.errors import MalformedRecord, ProcessorError
from clickstream_processor.topology import keys
from clickstream_processor.topology.chunk import NEAR, PAIRS, SECOND_MS, Chunk, read_windows
from clickstream_processor.topology.codec import (
    DECODE_ERRORS,
    decode_click,
    decode_object,
    malformation,
    quote,
)
from clickstream_processor.topology.count import Spans, count_click
from clickstream_processor.topology.inspection import beginning, implausible, inspect, unit
from clickstream_processor.topology.interfaces import Evaluable, Message, Outputs, RefusedRow, Row
from clickstream_processor.topology.join import enriched_click
from clickstream_processor.topology.partitioning import murmur2_partition
from clickstream_processor.topology.plan import Plan
from clickstream_processor.topology.records import Click, Counters, Reason
from clickstream_processor.topology.users import User, columns_of
from clickstream_processor.topology.working import WorkingSet

# Quoted texts kept: pages and actions repeat. Longer texts, and more of them, are not worth the memory.
CACHED_TEXTS = 20_000
CACHED_TEXT_LENGTH = 256

# An enriched click's bytes where its topic's limit is not known: Kafka's default, less a record's frame.
MAX_OUTPUT_BYTES = 1_000_000

THOUSAND = 1000
PADDED = tuple(f"{number:03d}" for number in range(THOUSAND))
PLAIN = tuple(str(number) for number in range(THOUSAND))


class Quoted(dict[str, str]):
    """Texts as JSON, with quotes and escapes."""

    __slots__ = ()

    def __missing__(self, text: str) -> str:
        quoted = quote(text)
        if len(text) <= CACHED_TEXT_LENGTH:
            self[text] = quoted
        return quoted


class Pipeline:
    """The line of one task. Not thread-safe: it and its working set belong to the worker's thread."""

    def __init__(
        self,
        plan: Plan,
        state: WorkingSet,
        partition: int,
        outputs: Outputs,
        *,
        keep: Evaluable | None = None,
        transform: Mapping[str, Evaluable] | None = None,
        partition_of: Callable[[bytes, int], int] = murmur2_partition,
    ) -> None:
        """Bind the line to one partition.

        `keep` tells whether a joined click goes on (None: all do); `transform` gives output fields their
        values: an existing name is replaced in place, a new one appended. Where one raises EvaluationFailed
        the click is dead-lettered. `partition_of` is Kafka's murmur2 partitioner; the runtime passes the
        client's own, which is 50 times as fast as ours.
        """
        self.counters = Counters()
        self.refused: list[RefusedRow] = []  # rows of the last call of `profiles` that were not applied
        self._plan = plan
        self._windows = plan.windows
        self._state = state
        self._outputs = outputs
        self._keep = keep
        self._transform = dict(transform or {})
        expressions = [*self._transform.values(), *([keep] if keep else [])]
        self._reads_fields = any(expression.reads_fields for expression in expressions)
        self._reads_columns = any(expression.reads_columns for expression in expressions)
        read = [expression.click_fields for expression in expressions]
        self._read_fields = None if None in read else frozenset().union(*filter(None, read))
        self._event_prefix = f"{plan.clicks_topic}-{partition}-"
        self._event_json = f'{{"event_id":{quote(self._event_prefix)[:-1]}'
        self._quoted = Quoted()
        self._spans = Spans(plan.size_ms)
        self.max_output_bytes = MAX_OUTPUT_BYTES
        state.bind(partition, partition_of, keep_profiles=bool(expressions or plan.drop))

    def limit_outputs(self, max_bytes: int) -> None:
        """Say how large an enriched click may be, as its topic takes it."""
        self.max_output_bytes = max_bytes
        # Of a topic that takes little, the rest is left to its brokers: they name the click they refuse.
        self._state.max_head_bytes = max(max_bytes // 2, max_bytes - self._plan.max_click_bytes)

    def profiles(self, messages: Sequence[Message]) -> None:
        """Apply records of the profiles topic (no error records), in order, tombstones included.

        What is malformed or on a wrong partition is refused, counted and kept in `refused`: whoever runs the
        line says so.
        """
        state, counters = self._state, self.counters
        self.refused = []
        for message in messages:
            try:
                state.set_profile(message.key(), message.value())
                counters.profiles += 1
            except Exception as error:  # one row never stops the table
                if isinstance(error, ProcessorError) and not isinstance(error, MalformedRecord):
                    raise
                known = isinstance(error, MalformedRecord)
                reason = str(error.args[0]) if known else Reason.PROCESSING_FAILED.value
                counters.profiles_refused[reason] = counters.profiles_refused.get(reason, 0) + 1
                self.refused.append((message, reason, str(error.args[1])))
        if messages:
            state.profiles_offset = messages[-1].offset() + 1

    def clicks(self, messages: Sequence[Message]) -> None:
        """Take one chunk of clicks of this partition (no error records), in order.

        The hot loop, and so one long function with everything in locals: a call per click costs 5 % of it.
        Types are given where the compiler (ADR 0021) could not know them: what is `Any` stays a boxed object.
        """
        state, plan, outputs = self._state, self._plan, self._outputs
        users, touched, quoted = state.users, state.touched, self._quoted
        enriched, prefix = outputs.enriched, self._event_json
        keep = self._keep.evaluate if self._keep else None
        needs_fields, needs_columns = self._reads_fields, self._reads_columns
        plain = not self._transform and not plan.drop
        size_ms, max_bytes, earliest_ms = plan.size_ms, plan.max_click_bytes, plan.earliest_ms
        simple = plan.tumbling and size_ms % SECOND_MS == 0
        stream_ms, closed_ms = state.stream_ms, state.closed_ms
        # Up to here an event time is believed (ADR 0051). A record's time is asked for only beyond, as asking
        # costs 5 % of the loop.
        lead_ms = plan.lead_ms
        limit_ms = state.record_ms + lead_ms
        closed_start_ms = closed_ms - size_ms - plan.grace_ms  # windows that start up to here are closed
        first_offset = messages[0].offset() if messages else 0
        gapless = bool(messages) and messages[-1].offset() - first_offset == len(messages) - 1
        written = counted = filtered = 0
        fields: Row = None
        columns: Row = None
        # What follows from an event's second is kept until another second comes, and the text of an offset's
        # thousands likewise: arithmetic and formatting of large integers would be a third of the loop.
        second = second_ms = start_ms = thousand = -THOUSAND
        stamp = offset_text = ""
        stamp_digits = offset_digits = PADDED
        for index, message in enumerate(messages):
            try:
                value: bytes = message.value()  # type: ignore[assignment] # None ends in TypeError
                click: Click = decode_click(value)
                if needs_fields:
                    fields = decode_object(value)
                user = users[message.key()]
            except Exception as error:  # noqa: BLE001 # nothing that is in a record stops the line
                mended = self._mended(message, error)
                if mended is None:
                    continue
                click, fields, user = mended
            if user.name != click.user_id or len(value) > max_bytes:
                self._refuse_mismatch(message)
                continue
            event_ms: int = click.timestamp
            if event_ms > limit_ms:
                record_ms = message.timestamp()[1]
                if record_ms > state.record_ms:
                    state.record_ms = record_ms
                    limit_ms = record_ms + lead_ms
                if event_ms > record_ms + plan.max_future_ms:
                    self._refuse_future(message, event_ms)
                    continue
            if event_ms < earliest_ms:
                self._dead_letter(message, Reason.IMPLAUSIBLE_TIME, f"timestamp: {implausible(event_ms)}")
                continue
            head = user.head
            if head is None:
                self._unmatched(message, user)
                continue
            if keep is not None:
                try:
                    if needs_columns:
                        columns = columns_of(user)
                    if not keep(click, user.profile, fields, columns):
                        filtered += 1
                        continue
                except Exception as error:  # noqa: BLE001 # as above
                    self._refuse_unevaluated(message, error)
                    continue
            ms = event_ms - second_ms
            if not 0 <= ms < SECOND_MS:
                second, ms = divmod(event_ms, SECOND_MS)
                second_ms = event_ms - ms
                start_ms = second_ms - second_ms % size_ms
                stamp, stamp_digits = (str(second), PADDED) if second else ("", PLAIN)
            if plain:
                offset = first_offset + index if gapless else message.offset()
                unit = offset - thousand
                if not 0 <= unit < THOUSAND:
                    thousands, unit = divmod(offset, THOUSAND)
                    thousand = thousands * THOUSAND
                    offset_text, offset_digits = (
                        (f"{prefix}{thousands}", PADDED) if thousands else (prefix, PLAIN)
                    )
                enriched(
                    f"{offset_text}{offset_digits[unit]}{head}{quoted[click.page_url]}"
                    f',"action":{quoted[click.action]},"timestamp":{stamp}{stamp_digits[ms]}}}',
                    user.user_key,
                    event_ms,
                )
            elif not self._write_transformed(message, click, user, fields):
                continue
            written += 1
            if event_ms > stream_ms:
                stream_ms = event_ms if event_ms <= limit_ms else self._ahead(event_ms, stream_ms, limit_ms)
                if stream_ms > closed_ms:
                    closed_ms = stream_ms
                    closed_start_ms = closed_ms - size_ms - plan.grace_ms
            if simple:
                if start_ms <= closed_start_ms:
                    self._late(message, closed_ms)
                    continue
                if user.start_ms != start_ms:
                    state.turn(user, start_ms)
                user.count += 1
                ahead = second - user.second
                if 0 < ahead < NEAR and user.clicks < NEAR:
                    user.older += PAIRS[ahead][user.clicks]
                    user.second = second
                    user.clicks = 1
                    user.latest_ms = event_ms
                else:
                    user.add(second)
                    if event_ms > user.latest_ms:
                        user.latest_ms = event_ms
                if not user.touched:
                    user.touched = 1
                    touched.append(user)
            elif not count_click(state, self._windows, user, event_ms, closed_ms):
                self._late(message, closed_ms)
                continue
            counted += 1
        state.stream_ms, state.closed_ms = stream_ms, closed_ms
        counters = self.counters
        counters.clicks += len(messages)
        counters.enriched += written
        counters.counted += counted
        counters.filtered += filtered

    def set_aside(self, message: Message, reason: Reason, detail: str) -> None:
        """Take a click that fails the line, or whose outputs are refused: only its dead letter goes out."""
        self.counters.clicks += 1
        self._dead_letter(message, reason, detail)

    def tick(self, now_ms: int) -> bool:
        """Close the windows that wall-clock time has passed; return whether there is something to commit.

        Call it about once a second, and only where the position has reached the end of the input (R17).
        Does nothing with `emit: updates`, which stays record for record with Kafka Streams. Nothing is open
        once the newest event's windows are closed: then time stands still again, and an idle task commits
        nothing.
        """
        state = self._state
        if self._plan.emit != "final" or now_ms <= state.closed_ms:
            return False
        newest_closes_ms = state.newest_ms + self._plan.size_ms + self._plan.grace_ms
        if state.stream_ms < 0 or state.closed_ms >= newest_closes_ms:
            return False
        if not self._windows.closed_between(state.closed_ms, now_ms):
            return False
        state.closed_ms = now_ms
        return True

    def flush(self) -> list[tuple[bytes, bytes]]:
        """Finish what is to be committed: emit counts, return the changelog's records as (key, value).

        Called once per commit, before the transaction's end. With `emit: updates`: the last value of every
        window changed since the last commit; with `final`: the results of the windows that have closed
        since. Afterwards call either `TaskState.commit` or `TaskState.rollback`.
        """
        state, plan, metrics = self._state, self._plan, self._outputs.metrics
        changes, updates = state.changes, plan.emit == "updates"
        chunk_ms = first_ms = -1
        span = ""
        bound = b""
        for chunk in state.touched:
            if not chunk.touched:
                continue  # another object took it over, which stands in the list as well
            if chunk.start_ms != chunk_ms:
                chunk_ms = chunk.start_ms
                first_ms = self._windows.first_start_ms(chunk_ms)
                span = self._spans[first_ms]
                bound = keys.chunk_bound(chunk_ms)
            changes.append((bound + chunk.user_key, chunk.encode(first_ms, plan.step_ms)))
            if updates and plan.tumbling:
                text = PLAIN[chunk.count] if chunk.count < THOUSAND else chunk.count
                metrics(
                    f'{{"user_id":"{chunk.label}","window_start":{span}{text}}}',
                    chunk.user_key,
                    chunk.latest_ms,
                )
                self.counters.metrics += 1
            elif updates:
                self._emit_marked(chunk, first_ms)
            chunk.touched = 0
        state.touched = []
        if not updates:
            self._emit_closed()
        if len(self._quoted) > CACHED_TEXTS:
            self._quoted.clear()
        if len(self._spans) > CACHED_TEXTS:
            self._spans.clear()
        return changes

    def _emit_marked(self, chunk: Chunk, first_ms: int) -> None:
        """Emit the hopping windows of a chunk that have changed since the last commit."""
        for index, count, latest_ms in chunk.counted():
            if chunk.touched >> index & 2:
                span = self._spans[first_ms + index * self._plan.step_ms]
                text = f'{{"user_id":"{chunk.label}","window_start":{span}{count}}}'
                self._outputs.metrics(text, chunk.user_key, latest_ms)
                self.counters.metrics += 1

    def _emit_closed(self) -> None:
        """Emit the results of the windows that have closed since the last commit, oldest chunks first."""
        state, windows = self._state, self._windows
        closed = windows.closed_between(state.emitted_ms, state.closed_ms)
        state.emitted_ms = state.closed_ms
        if not closed:
            return
        first = keys.chunk_bound(windows.chunk_start_ms(closed[0]))
        end = keys.chunk_bound(windows.chunk_start_ms(closed[-1]) + 1)
        for key, value in state.committed_or_changed(first, end):
            self._emit_results(key, value, closed)

    def _emit_results(self, key: bytes, value: bytes, closed: range) -> None:
        """Emit the windows of a stored chunk that are among `closed`."""
        user_key = key[keys.CHUNK_USER :]
        first_ms = self._windows.first_start_ms(keys.chunk_start_ms(key))
        user_id = quote(user_key.decode())
        for index, count, latest_ms in read_windows(value):
            start_ms = first_ms + index * self._plan.step_ms
            if start_ms in closed:
                text = f'{{"user_id":{user_id},"window_start":{self._spans[start_ms]}{count}}}'
                self._outputs.metrics(text, user_key, start_ms + latest_ms)
                self.counters.metrics += 1

    def _write_transformed(self, message: Message, click: Click, user: User, fields: Row) -> bool:
        """Write an enriched click with dropped and set fields; False if an expression failed."""
        try:
            columns = columns_of(user) if self._reads_columns else None
            values = {
                name: expression.evaluate(click, user.profile, fields, columns)
                for name, expression in self._transform.items()
            }
            event_id = f"{self._event_prefix}{message.offset()}"
            value = enriched_click(event_id, click, user.profile, self._plan.drop, values)
        except Exception as error:  # noqa: BLE001 # nothing was written yet
            self._refuse_unevaluated(message, error)
            return False
        if len(value) > self.max_output_bytes:
            self._refuse_output(message, len(value))
            return False
        self._outputs.enriched(value, user.user_key, click.timestamp)
        return True

    def _ahead(self, event_ms: int, stream_ms: int, limit_ms: int) -> int:
        """Note a click whose event time leads record time by more than the grace; return the stream time."""
        self.counters.ahead += 1
        self._state.ahead_ms = max(self._state.ahead_ms, event_ms)
        return max(stream_ms, limit_ms)

    def _mended(self, message: Message, error: Exception) -> tuple[Click, Row, User] | None:
        """Return a click that is flawed only where nobody reads it, without that; else dead-letter it."""
        value = message.value()
        worth = isinstance(error, msgspec.DecodeError | UnicodeDecodeError | RecursionError)
        if value is None or len(value) > self._plan.max_click_bytes or not worth:
            self._refuse_malformed(message, error)
            return None
        try:
            found = inspect(value)
            complaint = found.complaint(self._read_fields)
            if complaint is not None:
                self._dead_letter(message, *complaint)
                return None
            user = self._state.users[message.key()]
        except Exception as why:  # noqa: BLE001 # nothing that is in a record stops the line
            self._refuse_malformed(message, why)
            return None
        fields = found.fields
        click = Click(fields["user_id"], fields["page_url"], fields["action"], fields["timestamp"])
        return click, fields if self._reads_fields else None, user

    def _refuse_malformed(self, message: Message, error: Exception) -> None:
        """Dead-letter a click that was not decoded, or whose key is none of this partition."""
        value = message.value()
        if isinstance(error, ProcessorError) and not isinstance(error, MalformedRecord):
            raise error  # the state's, not the record's
        if value is not None and len(value) > self._plan.max_click_bytes:
            self._oversized(message, len(value))
        elif isinstance(error, MalformedRecord):
            self._dead_letter(message, error.args[0], error.args[1])
        elif isinstance(error, DECODE_ERRORS) and not (isinstance(error, TypeError) and value is not None):
            reason, detail = malformation(error)
            self._dead_letter(message, reason, (None if value is None else beginning(value)) or detail)
        else:
            self._fail(message, error)

    def _refuse_unevaluated(self, message: Message, error: Exception) -> None:
        """Dead-letter a click for which an expression, or the output made of it, has no value."""
        if isinstance(error, EvaluationFailed):
            self._dead_letter(message, Reason.EXPRESSION_ERROR, str(error))
        else:
            self._fail(message, error)

    def _refuse_output(self, message: Message, size_bytes: int) -> None:
        detail = f"the enriched click would have {size_bytes} bytes; its topic takes {self.max_output_bytes}"
        self._dead_letter(message, Reason.OUTPUT_REFUSED, detail)

    def _fail(self, message: Message, error: Exception) -> None:
        """Set a click aside that the line cannot process; what the state's volume says is not its fault."""
        if isinstance(error, ProcessorError):
            raise error
        self._dead_letter(message, Reason.PROCESSING_FAILED, f"{type(error).__name__}: {error}")

    def _refuse_mismatch(self, message: Message) -> None:
        """Dead-letter a click that is too large, or whose user_id is not its key."""
        value = message.value() or b""
        if len(value) > self._plan.max_click_bytes:
            self._oversized(message, len(value))
        else:
            self._dead_letter(message, Reason.KEY_MISMATCH, "user_id is not the key")

    def _refuse_future(self, message: Message, event_ms: int) -> None:
        record_ms = message.timestamp()[1]
        detail = f"{event_ms - record_ms} ms beyond the record's time {record_ms}"
        if unit(event_ms):
            detail = f"timestamp: {implausible(event_ms)}"
        self._dead_letter(message, Reason.TOO_FAR_IN_FUTURE, detail)

    def _oversized(self, message: Message, size_bytes: int) -> None:
        self._dead_letter(
            message, Reason.OVERSIZED, f"{size_bytes} bytes, allowed {self._plan.max_click_bytes}"
        )

    def _unmatched(self, message: Message, user: User) -> None:
        if user.head_bytes:
            self._refuse_output(message, user.head_bytes + len(message.value() or b""))
        elif self._plan.unmatched == "drop":
            self._drop(Reason.UNMATCHED)
        else:
            self._dead_letter(message, Reason.UNMATCHED, "no profile of this user")

    def _late(self, message: Message, closed_ms: int) -> None:
        if self._plan.late == "drop":
            self._drop(Reason.LATE)
        else:
            self._dead_letter(
                message, Reason.LATE, f"its windows were closed at {closed_ms - self._plan.grace_ms}"
            )

    def _drop(self, reason: Reason) -> None:
        dropped = self.counters.dropped
        dropped[reason.value] = dropped.get(reason.value, 0) + 1

    def _dead_letter(self, message: Message, reason: Reason, detail: str) -> None:
        dead_lettered = self.counters.dead_lettered
        dead_lettered[reason.value] = dead_lettered.get(reason.value, 0) + 1
        self._outputs.dead_letter(message, reason.value, detail)
