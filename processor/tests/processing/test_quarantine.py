"""Which click is set aside after which failure: the rules of tasks/quarantine.py, without Kafka."""

from clickstream_processor.processing.output.letters import MAX_DETAIL_CHARS, Letter, letter
from clickstream_processor.processing.output.task_outputs import Refusal
from clickstream_processor.processing.tasks.quarantine import (
    ALONE_AFTER_DEATH,
    GUILTY,
    SLICE,
    Quarantine,
    next_attempts,
)
from clickstream_processor.task_id import clicks_task
from clickstream_processor.topology.records.records import Reason
from processor_support.lines.sample_line import record

TASK = clicks_task(3)
CLICKS = [record(b"u", b"{}", offset) for offset in range(100, 2_000)]


def suspected(until: int = 1_600) -> Quarantine:
    quarantine = Quarantine()
    quarantine.suspect(TASK, until)
    return quarantine


def test_without_a_failure_nothing_is_careful() -> None:
    quarantine = Quarantine()
    assert quarantine.suspicion(TASK) is None
    assert not quarantine.careful
    assert not quarantine.take(TASK, CLICKS)


def test_clicks_in_hand_at_a_failure_are_taken_in_slices_until_they_are_behind() -> None:
    quarantine = suspected()
    assert len(quarantine.take(TASK, CLICKS)) == SLICE
    assert not quarantine.take(TASK, CLICKS[1_500:])
    quarantine.committed(TASK, 1_600)
    assert quarantine.suspicion(TASK) is None


def test_refusal_that_names_a_click_sets_it_aside() -> None:
    quarantine = suspected()
    assert quarantine.refused(TASK, 100, 500, [Refusal(170, "too large"), Refusal(None, "too large")]) is None
    verdict = quarantine.verdicts(TASK)[170]
    assert (verdict.reason, verdict.error, verdict.bare) == (Reason.OUTPUT_REFUSED, "too large", False)


def test_refused_count_of_many_clicks_is_narrowed_down_to_one() -> None:
    quarantine, sizes = suspected(), []
    for _ in range(5):
        part = quarantine.take(TASK, CLICKS)
        sizes.append(len(part))
        quarantine.refused(TASK, part[0].offset(), len(part), [Refusal(None, "too large")])
    assert sizes == [500, 31, 1, 500, 31]  # the culprit is known: the others go on together
    assert list(quarantine.verdicts(TASK)) == [100]


def test_failure_that_names_no_record_leads_to_no_verdict() -> None:
    quarantine = suspected()
    assert quarantine.refused(TASK, 100, 1, []) is None
    assert not quarantine.verdicts(TASK)


def test_refused_letter_loses_its_payload_and_then_stops_the_task() -> None:
    quarantine = suspected()
    refusal = [Refusal(170, "topic dead-letters, partition 3: too large")]
    assert quarantine.refused(TASK, 170, 1, refusal) is None
    assert quarantine.refused(TASK, 170, 1, refusal) is None
    assert quarantine.verdicts(TASK)[170].bare
    detail = quarantine.refused(TASK, 170, 1, refusal)
    assert detail is not None
    assert "without payload" in detail
    assert "topic dead-letters, partition 3" in detail


def test_error_of_the_line_sets_the_click_in_hand_aside() -> None:
    quarantine = suspected()
    quarantine.failed(TASK, 100, 7, 104, MemoryError("no room"))
    assert quarantine.verdicts(TASK)[104].error == "MemoryError: no room"
    assert quarantine.verdicts(TASK)[104].reason is Reason.PROCESSING_FAILED


def test_error_while_counts_are_written_is_narrowed_down() -> None:
    quarantine = suspected()
    quarantine.failed(TASK, 100, 500, None, OverflowError("x"))
    assert len(quarantine.take(TASK, CLICKS)) == 31
    quarantine.failed(TASK, 100, 1, None, OverflowError("x"))
    assert list(quarantine.verdicts(TASK)) == [100]


def test_verdicts_end_with_the_commit_that_passes_them() -> None:
    quarantine = suspected()
    quarantine.failed(TASK, 100, 7, 104, ValueError())
    quarantine.committed(TASK, 104)
    assert list(quarantine.verdicts(TASK)) == [104]
    quarantine.committed(TASK, 105)
    assert not quarantine.verdicts(TASK)


def lives_until_set_aside(deadly: int, start: int = 100) -> tuple[int, int]:
    """Return the processes that die of a click, and how far the position was when it was set aside."""
    position, attempts = start, 0
    for life in range(1, 20):
        quarantine = Quarantine()
        quarantine.took_over(TASK, life, position, attempts)
        while True:
            waiting = [click for click in CLICKS if click.offset() >= position]
            part = quarantine.take(TASK, waiting) or waiting[:1_000]
            if part[0].offset() in quarantine.verdicts(TASK):
                return life - 1, position
            if quarantine.to_tell(TASK, life, position):
                attempts = next_attempts(attempts, len(part) == 1)
                quarantine.told(TASK, life, position)
            if any(click.offset() == deadly for click in part):
                break
            position, attempts = part[-1].offset() + 1, 0
            quarantine.committed(TASK, position)
    raise AssertionError("it was never set aside")


def test_first_click_that_kills_is_set_aside_after_three_deaths() -> None:
    assert lives_until_set_aside(100) == (3, 100)


def test_click_whose_letter_kills_gets_one_without_its_payload() -> None:
    for attempts, bare in ((GUILTY, False), (GUILTY + 1, True), (GUILTY + 5, True)):
        quarantine = Quarantine()
        quarantine.took_over(TASK, 1, 100, attempts)
        assert quarantine.verdicts(TASK)[100].bare is bare


def test_click_that_kills_among_others_is_found_alone() -> None:
    for deadly in (101, 150, 100 + ALONE_AFTER_DEATH, 777, 1_500):
        deaths, position = lives_until_set_aside(deadly)
        assert position == deadly
        assert deaths <= 6, deadly


def test_take_over_after_an_orderly_end_is_not_careful() -> None:
    quarantine = Quarantine()
    quarantine.took_over(TASK, 1, 100, 0)
    assert quarantine.suspicion(TASK) is None
    assert quarantine.to_tell(TASK, 1, 100)
    quarantine.told(TASK, 1, 100)
    assert not quarantine.to_tell(TASK, 1, 4_711)


def test_own_failure_is_not_taken_for_a_death() -> None:
    quarantine = Quarantine()
    quarantine.took_over(TASK, 1, 100, 0)
    quarantine.told(TASK, 1, 100)
    quarantine.took_over(TASK, 1, 100, 1)
    assert quarantine.suspicion(TASK) is None


def make(
    key: bytes | None, value: bytes | None, *, detail: str = "why", limit: int = 10_000, bare: bool = False
) -> Letter:
    return letter(record(key, value, 7), "late", detail, "clicks", 3, max_bytes=limit, bare=bare)


def test_letter_holds_the_bytes_as_they_came_and_their_place() -> None:
    made = make(b"u", b"\x00\xff")
    assert (made.key, made.value) == (b"u", b"\x00\xff")
    assert dict(made.headers) == {
        "reason": "late",
        "detail": "why",
        "source-topic": "clicks",
        "source-partition": "3",
        "source-offset": "7",
    }


def test_letter_longer_than_its_topic_takes_is_cut_and_says_so() -> None:
    made = make(b"u", b"x" * 20_000)
    headers = dict(made.headers)
    assert headers["original-size"] == "20000"
    assert len(str(headers["original-sha256"])) == 64
    assert made.value is not None
    assert 5_000 < len(made.value) + sum(len(n) + len(str(t)) for n, t in made.headers) < 10_000
    assert made.key == b"u"


def test_letter_of_a_huge_key_leaves_it_out() -> None:
    made = make(b"k" * 9_000, b"x" * 5_000)
    assert made.key is None
    assert dict(made.headers)["original-key-size"] == "9000"


def test_bare_letter_has_its_place_alone() -> None:
    made = make(b"u", b"x", bare=True)
    assert (made.key, made.value, made.timestamp_ms) == (None, None, 0)
    assert dict(made.headers)["original-size"] == "1"


def test_detail_is_short_and_utf_8() -> None:
    made = make(b"u", b"x", detail="\ud800" + "y" * 5_000)
    detail = str(dict(made.headers)["detail"])
    assert len(detail) == MAX_DETAIL_CHARS
    assert detail.startswith("\\ud800")
