"""Times of letters as a summary: by reason, and in intervals of a round length. Pure."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from clickstream_processor.dead_letters.fixes import fix_of
from clickstream_processor.query.letters.document import LetterBucket, LettersOfReason

MAX_BUCKETS = 60
MAX_REASONS = 32  # whatever headers say, a summary stays small
OTHER = "(other)"
_SECOND, _MINUTE, _HOUR, _DAY = 1_000, 60_000, 3_600_000, 86_400_000
_LENGTHS = (
    *(each * _SECOND for each in (1, 2, 5, 10, 30)),
    *(each * _MINUTE for each in (1, 2, 5, 10, 30)),
    *(each * _HOUR for each in (1, 2, 3, 6, 12)),
    *(each * _DAY for each in (1, 2, 7, 28, 140, 700, 3_500)),
)


def fewer(times: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
    """Return the times of the most frequent reasons; those of the others are together."""
    ranked = sorted(times, key=lambda reason: (-len(times[reason]), reason))
    if len(ranked) <= MAX_REASONS:
        return {reason: list(times[reason]) for reason in ranked}
    kept = {reason: list(times[reason]) for reason in ranked[: MAX_REASONS - 1]}
    return kept | {OTHER: [at_ms for reason in ranked[MAX_REASONS - 1 :] for at_ms in times[reason]]}


def by_reason(times: Mapping[str, Sequence[int]]) -> tuple[LettersOfReason, ...]:
    """Return how many letters each reason has, the most frequent first."""
    counts = sorted(((len(each), reason) for reason, each in times.items()), key=lambda c: (-c[0], c[1]))
    return tuple(
        LettersOfReason(reason=reason, letters=count, fix=fix_of(reason)) for count, reason in counts
    )


def bucket_length(first_ms: int, last_ms: int) -> int:
    """Return the least round length with which a range takes at most 60 intervals."""
    for length in _LENGTHS:
        if last_ms // length - first_ms // length < MAX_BUCKETS:
            return length
    return max(1, (last_ms - first_ms) // (MAX_BUCKETS - 1) + 1)


def buckets(times: Mapping[str, Sequence[int]], length_ms: int) -> tuple[LetterBucket, ...]:
    """Return the intervals that have letters, the earliest first."""
    found: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for reason, each in times.items():
        for at_ms in each:
            found[at_ms // length_ms * length_ms][reason] += 1
    return tuple(LetterBucket(at_ms=at_ms, reasons=dict(found[at_ms])) for at_ms in sorted(found))
