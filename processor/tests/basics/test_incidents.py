"""The newest records that were set aside, named by their place."""

from clickstream_processor.incidents import KEPT, MAX_ERROR_CHARS, Incident, newest, with_newest


def an_incident(offset: int, at_ms: int, error: str = "x") -> Incident:
    return Incident("user-clicks", 0, offset, "processing-failed", error, at_ms)


def test_the_newest_incidents_stay_and_stand_first() -> None:
    kept: tuple[Incident, ...] = ()
    for offset in range(KEPT + 5):
        kept = with_newest(kept, an_incident(offset, 1_000 + offset))
    assert [i.offset for i in kept] == list(range(KEPT + 4, 4, -1))


def test_a_record_is_listed_once_with_its_last_report() -> None:
    first, last = an_incident(7, 1, "before"), an_incident(7, 2, "after")
    assert newest([first, last]) == (last,)


def test_an_incidents_error_is_kept_short() -> None:
    assert len(an_incident(0, 0, "y" * 10_000).error) == MAX_ERROR_CHARS
