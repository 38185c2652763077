"""Who sends what was granted."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from paceline_worker.dispatch.sharing import shares
from paceline_worker.state.values import Hint

FEW = 16
INTAKE = 200


def hints(number: int) -> list[Hint]:
    return [Hint(str(n), "1", n) for n in range(number)]


def sizes(found: tuple[Sequence[Hint], list[Sequence[Hint]]]) -> tuple[int, list[int]]:
    here, batches = found
    return len(here), [len(batch) for batch in batches]


def test_a_lone_worker_keeps_everything() -> None:
    """No message through the broker, whatever it has already."""
    assert (27, []) == sizes(shares(hints(27), own=500, in_flight=600, workers=1, few=FEW, intake=INTAKE))


def test_two_workers_have_equal_shares() -> None:
    """What the granter has already counts."""
    assert (20, [20]) == sizes(shares(hints(40), own=0, in_flight=40, workers=2, few=FEW, intake=INTAKE))
    assert (0, [20]) == sizes(shares(hints(20), own=30, in_flight=60, workers=2, few=FEW, intake=INTAKE))


def test_a_few_operations_are_not_worth_the_way_through_the_broker() -> None:
    """At fifty a second one worker sends them all."""
    assert (6, []) == sizes(shares(hints(6), own=9, in_flight=15, workers=10, few=FEW, intake=INTAKE))


def test_the_others_get_batches_of_equal_size() -> None:
    """One for each of them."""
    assert (20, [20, 20, 20]) == sizes(shares(hints(80), own=0, in_flight=80, workers=4, few=FEW, intake=INTAKE))


def test_a_burst_is_not_split_into_crumbs() -> None:
    """A look that grants 18 to nine other workers sends them one batch, and one of 60 sends three."""
    assert (0, [18]) == sizes(shares(hints(18), own=100, in_flight=118, workers=10, few=FEW, intake=INTAKE))
    assert (0, [20, 20, 20]) == sizes(shares(hints(60), own=100, in_flight=160, workers=10, few=FEW, intake=INTAKE))


def test_no_batch_is_larger_than_a_hint_may_be() -> None:
    """A worker takes a batch whole, however late it is: the rest waits for whoever has room."""
    assert (0, [25] * 10) == sizes(shares(hints(250), own=250, in_flight=500, workers=2, few=FEW, intake=INTAKE))
    assert (0, [21, 21, 21, 21, 17]) == sizes(
        shares(hints(101), own=250, in_flight=351, workers=2, few=FEW, intake=INTAKE)
    )


def test_a_granter_that_is_late_keeps_no_more_than_it_takes_on() -> None:
    """Its equal share would wait in it until leases run out: granting is work too."""
    assert (6, [17, 17]) == sizes(shares(hints(40), own=10, in_flight=1000, workers=10, few=FEW, intake=16))
    assert (0, [20, 20]) == sizes(shares(hints(40), own=30, in_flight=1000, workers=10, few=FEW, intake=16))


@given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 5000), st.integers(1, 60))
def test_every_operation_goes_to_one_place_in_order(number: int, own: int, others: int, workers: int) -> None:
    """None is lost, none is doubled, none overtakes."""
    granted = hints(number)
    here, batches = shares(granted, own=own, in_flight=own + others + number, workers=workers, few=FEW, intake=INTAKE)
    assert granted == [*here, *(hint for batch in batches for hint in batch)]
    assert all(batches)
