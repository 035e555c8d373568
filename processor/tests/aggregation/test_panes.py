"""Windows of panes: which belong together, when they close, how long they are kept."""

import pytest
from clickstream_processor.aggregation.panes import Panes
from hypothesis import given
from hypothesis import strategies as st

HOPPING = Panes(300, 100, grace_ms=50, retention_ms=1_000)
TUMBLING = Panes(300, 300)
PANES = st.builds(
    lambda advance, number, grace, retention: Panes(advance * number, advance, grace, retention),
    st.integers(1, 50),
    st.integers(1, 10),
    st.integers(0, 100),
    st.integers(0, 500),
)


def test_a_hopping_window_is_made_of_panes() -> None:
    assert list(HOPPING.of_window(200)) == [200, 300, 400]
    assert list(HOPPING.windows_of(400)) == [200, 300, 400]


def test_no_window_starts_before_the_epoch() -> None:
    assert list(HOPPING.windows_of(100)) == [0, 100]


def test_a_tumbling_window_is_one_pane() -> None:
    assert (list(TUMBLING.of_window(300)), list(TUMBLING.windows_of(300))) == ([300], [300])
    assert TUMBLING.number == 1


@given(PANES, st.integers(0, 2_000))
def test_a_window_has_a_pane_if_and_only_if_the_pane_belongs_to_it(panes: Panes, time_ms: int) -> None:
    pane = panes.pane_start_ms(time_ms)
    assert pane <= time_ms < pane + panes.advance_ms
    every = range(0, 4_000, panes.advance_ms)
    assert [start for start in every if pane in panes.of_window(start)] == list(panes.windows_of(pane))


@given(PANES, st.integers(0, 2_000))
def test_closing_and_keeping_agree_with_their_definitions(panes: Panes, time_ms: int) -> None:
    every = range(0, 3_000, panes.advance_ms)
    closed = [start for start in every if panes.pane_closes_ms(start) <= time_ms]
    assert max(closed, default=-1) == max(-1, panes.last_closed_pane_ms(time_ms))
    ended = [start for start in every if start + panes.size_ms + panes.grace_ms <= time_ms]
    assert max(ended, default=-1) == max(-1, panes.last_closed_window_ms(time_ms))
    kept = [start for start in every if start + panes.size_ms + panes.grace_ms + panes.retention_ms > time_ms]
    assert panes.first_kept_window_ms(time_ms) == kept[0]
    needed = [pane for pane in every if any(window >= kept[0] for window in panes.windows_of(pane))]
    assert panes.first_kept_pane_ms(time_ms) == needed[0]


@pytest.mark.parametrize(
    "values", [(300, 200), (100, 300), (300, 0), (300, 100, -1), (300, 100, 0, -1)], ids=str
)
def test_values_that_do_not_fit_are_refused(values: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="window"):
        Panes(*values)
