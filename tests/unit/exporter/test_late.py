"""How much of the backlog cannot leave while it is valid."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline_worker.exporter.late import Allowed, Waiting, late_operations

SECOND = 1_000_000
LISTS = st.lists(st.builds(Waiting, st.integers(0, 500), st.integers(0, 1000 * SECOND)), max_size=6)


@pytest.mark.parametrize(
    ("expected", "lists"),
    [
        (0, []),
        (0, [Waiting(10, 60 * SECOND)]),
        (1, [Waiting(11, 60 * SECOND)]),
        (5, [Waiting(5, 0)]),
        # The first ten fill the first minute, and five of the others are too many for the second.
        (5, [Waiting(15, 120 * SECOND), Waiting(10, 60 * SECOND)]),
        # Those that expire take no slot.
        (90, [Waiting(100, 60 * SECOND), Waiting(10, 120 * SECOND)]),
        # One in twelve seconds by its own rate; open for half a minute.
        (5, [Waiting(10, 60 * SECOND, interval_us=12 * SECOND)]),
        (5, [Waiting(10, 60 * SECOND, openings=((30 * SECOND, 90 * SECOND),))]),
        (10, [Waiting(10, 60 * SECOND, openings=())]),
    ],
)
def test_what_does_not_fit_into_the_slots_is_late(expected: int, lists: list[Waiting]) -> None:
    """A slot in six seconds."""
    assert expected == late_operations(lists, Allowed(0, 6 * SECOND))


def test_a_quota_counts() -> None:
    """10 a minute of which 4 are used: 6 at once, and 10 a minute later."""
    allowed = Allowed(0, SECOND, [(10, 60 * SECOND, 4)])
    assert 14 == late_operations([Waiting(30, 60 * SECOND)], allowed)


@given(LISTS, st.integers(1, 100))
def test_never_more_than_wait_and_never_fewer_with_less_time(lists: list[Waiting], interval_s: int) -> None:
    """A slower account leaves as many behind or more."""
    late = late_operations(lists, Allowed(0, interval_s * SECOND))
    assert 0 <= late <= sum(one.number for one in lists)
    assert late <= late_operations(lists, Allowed(0, 2 * interval_s * SECOND))
    assert late <= late_operations(lists, Allowed(SECOND, interval_s * SECOND))
