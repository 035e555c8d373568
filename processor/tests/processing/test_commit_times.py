"""How far commits are apart: by how far the pod is behind."""

from clickstream_processor.processing.commits import interval_s


def test_commits_are_as_far_apart_as_configured_where_the_pod_is_not_behind() -> None:
    assert interval_s(0.1, 0) == 0.1
    assert interval_s(0.1, 999) == 0.1


def test_commits_add_at_most_a_tenth_to_a_delay() -> None:
    assert interval_s(0.1, 2_000) == 0.2
    assert interval_s(0.1, 3_500) == 0.35


def test_commits_are_never_rarer_than_five_intervals_or_a_second() -> None:
    assert interval_s(0.1, 5_000) == interval_s(0.1, 10**9) == 0.5
    assert interval_s(0.5, 10**9) == 1.0
    assert interval_s(2.0, 10**9) == 2.0
