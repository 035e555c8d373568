"""One task's line: what becomes of each record between the consumer and the transaction.

Pure: no I/O, no clock, no randomness. Everything it produces goes through `Outputs`, everything it
remembers is in the `WorkingSet`, which the caller commits or rolls back.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from clickstream_processor.errors import MalformedRecord, ProcessorError
from clickstream_processor.topology.inspection import fields_read, implausible, inspect
from clickstream_processor.topology.interfaces import (
    Duplicates,
    Evaluable,
    Gatherer,
    JoinedClick,
    Message,
    Outputs,
    RefusedRow,
    Row,
)
from clickstream_processor.topology.plan import Plan
from clickstream_processor.topology.records.codec import (
    decode_click,
    decode_object,
    quote,
)
from clickstream_processor.topology.records.partitioning import murmur2_partition
from clickstream_processor.topology.records.records import Click, Counters, Reason
from clickstream_processor.topology.refusals import Refusals
from clickstream_processor.topology.users.chunk import NEAR, PAIRS, SECOND_MS
from clickstream_processor.topology.users.count import count_click
from clickstream_processor.topology.users.join import enriched_click
from clickstream_processor.topology.users.results import Results
from clickstream_processor.topology.users.users import User, columns_of
from clickstream_processor.topology.users.working_set import WorkingSet

# Quoted texts kept: pages and actions repeat. Longer texts, and more of them, are not worth the memory.
CACHED_TEXTS = 20_000
CACHED_TEXT_LENGTH = 256
# Joined clicks that wait for the metrics: few enough to be in the processor's caches still.
GATHERED = 100

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
        gatherer: Gatherer | None = None,
        duplicates: Duplicates | None = None,
        partition_of: Callable[[bytes, int], int] = murmur2_partition,
        counters: Counters | None = None,
    ) -> None:
        """Bind the line to one partition.

        `keep` tells whether a joined click goes on (None: all do); `transform` gives output fields their
        values: an existing name is replaced in place, a new one appended. Where one raises EvaluationFailed
        the click is dead-lettered. `gatherer` gets every click that goes on; `duplicates` knows those that
        went on before. `partition_of` is Kafka's murmur2 partitioner; the runtime passes the client's own,
        which is 50 times as fast as ours.
        """
        self.counters = counters or Counters()
        self.refused: list[RefusedRow] = []  # rows of the last call of `profiles` that were not applied
        self._plan = plan
        self._windows = plan.windows
        self._state = state
        self._outputs = outputs
        self._keep = keep
        self._transform = dict(transform or {})
        self._gatherer = gatherer
        self._duplicates = duplicates
        gathered = gatherer.expressions if gatherer else ()
        expressions = [*self._transform.values(), *([keep] if keep else []), *gathered]
        self._reads_fields = any(expression.reads_fields for expression in expressions)
        self._reads_columns = any(expression.reads_columns for expression in expressions)
        self._read_fields = fields_read(expressions)
        self.arrived_in(partition)
        self._quoted = Quoted()
        self._refusals = Refusals(plan, self.counters, outputs)
        self._results = Results(plan, state, self.counters, outputs)
        state.bind(partition, partition_of, keep_profiles=bool(expressions or plan.drop))

    def arrived_in(self, partition: int) -> None:
        """Say in which partition of the clicks topic the next clicks first arrived: their event ids begin so.

        Their offsets are those of there (topology/arrived.py).
        """
        self._event_prefix = f"{self._plan.clicks_topic}-{partition}-"
        self._event_json = f'{{"event_id":{quote(self._event_prefix)[:-1]}'

    def limit_outputs(self, max_bytes: int) -> None:
        """Say how large an enriched click may be, as its topic takes it."""
        self._refusals.max_output_bytes = max_bytes
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
        """Take one batch of clicks of this partition (no error records), in order.

        The hot loop, and so one long function with everything in locals: a call per click costs 5 % of it.
        Types are given where the compiler (ADR 0021) could not know them: what is `Any` stays a boxed object.
        """
        state, plan, outputs = self._state, self._plan, self._outputs
        refusals = self._refusals
        users, touched, quoted = state.users, state.touched, self._quoted
        enriched, prefix = outputs.enriched, self._event_json
        keep = self._keep.evaluate if self._keep else None
        needs_fields = self._reads_fields
        needs_columns = self._reads_columns and (keep is not None or self._gatherer is not None)
        joined: list[JoinedClick] | None = None if self._gatherer is None else []
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
        duplicates = self._duplicates
        decode = decode_click if duplicates is None else duplicates.decode
        written = counted = filtered = repeated = 0
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
                click: Click = decode(value)
                if needs_fields:
                    fields = decode_object(value)
                user = users[message.key()]
            except Exception as error:  # noqa: BLE001 # nothing that is in a record stops the line
                fixed = self._mended(message, error)
                if fixed is None:
                    continue
                click, fields, user = fixed
            if user.name != click.user_id or len(value) > max_bytes:
                refusals.mismatch(message)
                continue
            event_ms: int = click.timestamp
            if event_ms > limit_ms:
                record_ms = message.timestamp()[1]
                if record_ms > state.record_ms:
                    state.record_ms = record_ms
                    limit_ms = record_ms + lead_ms
                if event_ms > record_ms + plan.max_future_ms:
                    refusals.future(message, event_ms)
                    continue
            if event_ms < earliest_ms:
                refusals.dead_letter(message, Reason.IMPLAUSIBLE_TIME, f"timestamp: {implausible(event_ms)}")
                continue
            head = user.head
            if head is None:
                refusals.unmatched(message, user)
                continue
            if keep is not None or needs_columns:
                try:
                    if needs_columns:
                        columns = columns_of(user)
                    if keep is not None and not keep(click, user.profile, fields, columns):
                        filtered += 1
                        continue
                except Exception as error:  # noqa: BLE001 # as above
                    refusals.unevaluated(message, error)
                    continue
            if duplicates is not None and duplicates.is_duplicate(click, fields, user.user_key, message):
                repeated += 1
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
            if duplicates is not None:
                duplicates.remember()
            if event_ms > stream_ms:
                stream_ms = event_ms if event_ms <= limit_ms else self._ahead(event_ms, stream_ms, limit_ms)
                if stream_ms > closed_ms:
                    closed_ms = stream_ms
                    closed_start_ms = closed_ms - size_ms - plan.grace_ms
            if joined is not None:
                joined.append((click, user.profile, fields, columns, stream_ms))
                if len(joined) == GATHERED:
                    self._gather(joined, stream_ms)
            if simple:
                if start_ms <= closed_start_ms:
                    refusals.late(message, closed_ms)
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
                refusals.late(message, closed_ms)
                continue
            counted += 1
        state.stream_ms, state.closed_ms = stream_ms, closed_ms
        if joined is not None and written:
            self._gather(joined, stream_ms)
            state.lag_ms = max(0, messages[-1].timestamp()[1] - stream_ms)
        counters = self.counters
        counters.clicks += len(messages)
        counters.enriched += written
        counters.counted += counted
        counters.filtered += filtered
        counters.duplicates += repeated

    def _gather(self, joined: list[JoinedClick], stream_ms: int) -> None:
        """Hand joined clicks to the metrics; the list is empty afterwards."""
        if self._gatherer is not None and joined:
            self._gatherer.add(joined, self._state.metrics_ms)
            self._state.metrics_ms = max(self._state.metrics_ms, stream_ms)
            joined.clear()

    def set_aside(self, message: Message, reason: Reason, detail: str) -> None:
        """Take a click that fails the line, or whose outputs are refused: only its dead letter goes out."""
        self.counters.clicks += 1
        self._refusals.dead_letter(message, reason, detail)

    def tick(self, now_ms: int) -> bool:
        """Close the windows that wall-clock time has passed; return whether there is something to commit.

        Call it about once a second, and only where the position has reached the end of the input (R17).
        Panes of metrics close as they would if clicks came on as late as the last ones did (ADR 0066).
        Does nothing with `emit: updates`, which stays record for record with Kafka Streams. Nothing is open
        once the newest event's windows are closed: then time stands still again, and an idle task commits
        nothing.
        """
        return self._tick_metrics(now_ms) | self._tick_windows(now_ms)

    def _tick_metrics(self, now_ms: int) -> bool:
        state = self._state
        if self._gatherer is None or state.stream_ms < 0:
            return False
        time_ms = max(state.metrics_ms, now_ms - state.lag_ms)
        if not self._gatherer.mark_is_due(time_ms):
            return False
        state.metrics_ms = time_ms
        return True

    def _tick_windows(self, now_ms: int) -> bool:
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

        Called once per commit, before the transaction's end. Afterwards call either `TaskState.commit` or
        `TaskState.rollback`.
        """
        if len(self._quoted) > CACHED_TEXTS:
            self._quoted.clear()
        return self._results.flush()

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
            self._refusals.unevaluated(message, error)
            return False
        if len(value) > self._refusals.max_output_bytes:
            self._refusals.output(message, len(value))
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
            self._refusals.malformed(message, error)
            return None
        try:
            found = inspect(value)
            complaint = found.complaint(self._read_fields)
            if complaint is not None:
                self._refusals.dead_letter(message, *complaint)
                return None
            user = self._state.users[message.key()]
        except Exception as why:  # noqa: BLE001 # nothing that is in a record stops the line
            self._refusals.malformed(message, why)
            return None
        fields = found.fields
        click = Click(fields["user_id"], fields["page_url"], fields["action"], fields["timestamp"])
        return click, fields if self._reads_fields or self._duplicates is not None else None, user
