"""How the fault suite compares what a fleet sends with what it can send."""

import pytest

from tests.faults.yardstick import Stretch, share


def stretch(keys: str, seconds: float = 10.0) -> Stretch:
    """Calls at equal distances, one for each letter."""
    return Stretch(0.0, seconds, [(place * seconds / len(keys), key) for place, key in enumerate(keys)])


def test_the_share_is_that_of_the_stretches_beside() -> None:
    """Long stretches count more than short ones, and nothing beside is nothing."""
    assert pytest.approx(0.75) == share([stretch("a" * 15)], [stretch("a" * 10), stretch("a" * 30)])
    assert pytest.approx(1.0) == share([stretch("a" * 20, 20)], [stretch("a" * 10)])
    assert 0.0 == share([stretch("a")], [Stretch(0, 1, [])])


@pytest.mark.parametrize(
    ("calls", "longest"),
    [("abcabc", 2), ("aabbcc", 4), ("ababab", 6), ("bccccb", 6), ("abcccc", 5)],
    ids=["in turn", "the last one first", "one never", "the first never", "one only at first"],
)
def test_a_turn_is_counted_in_calls_of_all(calls: str, longest: int) -> None:
    """Begin and end count as calls of each account, so one that is left out has waited for all of them."""
    assert longest == stretch(calls).longest_turn("abc")


def test_after_its_last_call_nothing_may_be_due() -> None:
    """The end is then no call."""
    assert 1 == stretch("abab" + "b" * 6).longest_turn("ab", to_its_end=False)
    assert 7 == stretch("abab" + "b" * 6).longest_turn("ab")


def test_calls_under_way_count_with_the_part_that_lies_inside() -> None:
    """One that began before, one inside, and one that ends after."""
    found = Stretch(10.0, 20.0, [(9.0, "a"), (12.0, "a"), (19.0, "a")])
    assert pytest.approx(0.4) == found.under_way(2.0)
