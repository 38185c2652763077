"""A worker takes on what it gets to its slots in time."""

from hypothesis import given
from hypothesis import strategies as st

from paceline_worker.dispatch.admission import LATE_S, Admission

LATE = LATE_S * 2


def beats(admission: Admission, number: int, *, lateness_s: float, samples: int = 100, load: int = 1000) -> list[int]:
    return [admission.beat(lateness_s=lateness_s, samples=samples, load=load) for _ in range(number)]


def test_a_worker_that_is_in_time_takes_on_more_up_to_its_capacity() -> None:
    """It begins with a part of a large capacity, and doubles that until it has all or is late for the first time."""
    admission = Admission(1000)
    assert 50 == admission.intake
    assert [100, 200, 400, 800, 1000, 1000] == beats(admission, 6, lateness_s=0.0)


def test_after_the_first_lateness_it_grows_slowly() -> None:
    """Workers that share cores come to equal shares."""
    admission = Admission(1000)
    beats(admission, 2, lateness_s=0.0)
    assert [160] == beats(admission, 1, lateness_s=LATE, load=200)
    assert [172, 185, 199] == beats(admission, 3, lateness_s=0.0)
    assert 1000 == beats(admission, 60, lateness_s=0.0)[-1]


def test_a_worker_that_is_late_takes_on_fewer() -> None:
    """Each beat a fifth less, as long as it is late."""
    admission = Admission(100)
    assert [40, 32, 25] == beats(admission, 3, lateness_s=LATE)


def test_the_decrease_counts_from_what_it_really_had() -> None:
    """A large intake that nobody used would take many beats to come down."""
    assert [40] == beats(Admission(1000), 1, lateness_s=LATE, load=50)


def test_some_work_is_always_taken_on() -> None:
    """However late: with none it would never find out that it is in time again."""
    assert 16 == beats(Admission(200), 50, lateness_s=10.0)[-1]
    assert 5 == beats(Admission(5), 50, lateness_s=10.0)[-1]


def test_what_is_not_used_does_not_grow() -> None:
    """An idle night says nothing about what the worker could do."""
    assert [50] * 5 == beats(Admission(1000), 5, lateness_s=0.0, load=3)


def test_a_handful_of_late_operations_decides_nothing() -> None:
    """One slow answer of the state server is no overload."""
    assert 50 == beats(Admission(100), 1, lateness_s=LATE, samples=3, load=10)[-1]


@given(
    st.integers(1, 5000),
    st.lists(st.tuples(st.floats(0, 5), st.integers(0, 500), st.integers(0, 6000)), max_size=60),
)
def test_the_intake_is_never_above_the_capacity_and_never_none(
    capacity: int, told: list[tuple[float, int, int]]
) -> None:
    """Whatever is measured."""
    admission = Admission(capacity)
    for lateness_s, samples, load in told:
        assert 1 <= admission.beat(lateness_s=lateness_s, samples=samples, load=load) <= capacity


def test_it_keeps_for_itself_what_is_nothing_to_it() -> None:
    """A hundred operations; three quarters of its intake when that is less, so that a small or a late worker shares."""
    grown = Admission(1000)
    beats(grown, 5, lateness_s=0.0)
    assert [100, 37, 15, 0] == [grown.few, *(Admission(capacity).few for capacity in (1000, 20, 1))]
    late = Admission(200)
    beats(late, 50, lateness_s=LATE)
    assert 12 == late.few


def test_a_worker_that_was_late_once_keeps_its_few_again() -> None:
    """What it keeps is enough for its intake to grow."""
    admission = Admission(200)
    beats(admission, 50, lateness_s=LATE)
    for _ in range(100):
        admission.beat(lateness_s=0.0, samples=100, load=admission.few)
    assert 100 == admission.few


def test_a_busy_worker_sends_nothing_alone() -> None:
    """Calls that end at once leave few operations in flight however many there are; the share of a core tells."""
    admission = Admission(1000)
    beats(admission, 5, lateness_s=0.0)
    few = []
    for busy in (0.0, 0.1, 0.2, 0.4, 1.5):
        admission.beat(lateness_s=0.0, samples=100, load=10, busy=busy)
        few.append(admission.few)
    assert [100, 75, 50, 0, 0] == few
