"""Where accounts live: the proposal is the same for ever, and the directory goes before it."""

from collections import Counter

import pytest

from paceline.shards.layout import ALONE, Layout, proposed, read_layout


@pytest.mark.parametrize(
    ("account", "count", "shard"), [("acme", 8, 1), ("acme", 5, 0), ("globex", 5, 0), ("zoe", 5, 2), ("acme", 1, 0)]
)
def test_the_proposal_is_the_same_for_ever(account: str, count: int, shard: int) -> None:
    """A release that proposes another shard loses sight of its accounts."""
    assert shard == proposed(account, count)


def test_accounts_are_spread_evenly() -> None:
    sizes = Counter(proposed(f"account-{number}", 64) for number in range(64 * 200))
    assert 64 == len(sizes)
    assert 120 < min(sizes.values())
    assert max(sizes.values()) < 300


def test_state_without_a_directory_has_one_shard() -> None:
    assert ALONE == read_layout([])
    assert 0 == ALONE.shard_of("acme")


def test_an_account_that_was_moved_is_where_the_directory_says() -> None:
    layout = read_layout(["shards", "8", "version", "2", "=acme", "5"])
    assert (8, 2, 5) == (layout.count, layout.version, layout.shard_of("acme"))
    assert proposed("zoe", 8) == layout.shard_of("zoe")


def test_an_account_may_be_called_like_a_field() -> None:
    layout = read_layout(["shards", "8", "version", "1", "=shards", "3"])
    assert (8, 3) == (layout.count, layout.shard_of("shards"))


def test_what_a_client_remembers_is_bounded() -> None:
    layout = Layout(2)
    for number in range(10_001):
        layout.remember(str(number), 1)
    assert {"10000": 1} == layout.places
