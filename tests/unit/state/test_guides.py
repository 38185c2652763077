"""Guides to the primary: what they learn from replies, and whom they ask next."""

from typing import Any

import pytest
from redis.exceptions import AskError, ClusterDownError, MovedError, ReadOnlyError
from redis.exceptions import ConnectionError as RedisConnectionError

from paceline.settings.address import read_state
from paceline.state.guides import ClusterGuide, SentinelGuide, guide_of

A, B, C = ("a", 1), ("b", 2), ("c", 3)
SLOTS: list[Any] = [[0, 8000, ["b", 2, "id"]], [8001, 16383, ["c", 3, "id"], ["d", 4, "id"]]]


def cluster() -> ClusterGuide:
    return ClusterGuide([A, B], "paceline:{0}")


def test_the_slot_of_the_root_decides() -> None:
    """Slot 13907 lies in the second range; the tag alone counts, so all keys of a root are there."""
    guide = cluster()
    assert (13907, None, (A, B)) == (guide.slot, guide.place, guide.doors)
    assert C == guide.answered(B, SLOTS) == guide.place
    assert (B, A, C, ("d", 4)) == guide.doors


def test_a_node_that_does_not_know_its_own_name_is_where_it_was_asked() -> None:
    """An empty host means the host that answered; `?` means that nobody knows."""
    assert ("a", 3) == cluster().answered(A, [[0, 16383, ["", 3, "id"]]])
    with pytest.raises(RedisConnectionError, match="serves slot 13907"):
        cluster().answered(A, [[0, 16383, ["?", 3, "id"]]])
    with pytest.raises(RedisConnectionError, match="serves slot 13907"):
        cluster().answered(A, [[0, 8000, ["b", 2, "id"]]])


def test_a_door_that_fails_is_asked_last() -> None:
    """And never given up: an address may be all that is left."""
    guide = cluster()
    guide.failed(A)
    assert (B, A) == guide.doors


@pytest.mark.parametrize(
    ("error", "place"),
    [
        (MovedError("13907 d:4"), ("d", 4)),
        (MovedError("13907 :4"), None),
        (ReadOnlyError("x"), None),
        (ClusterDownError("x"), None),
        (RedisConnectionError("x"), None),
        (AskError("13907 d:4"), C),
    ],
)
def test_refusals_teach_where_the_primary_is(error: Exception, place: object) -> None:
    """MOVED names the place, other refusals mean that somebody must be asked. ASK is never followed: the slot is on its way."""
    guide = cluster()
    guide.answered(A, SLOTS)
    guide.follow(error)
    assert place == guide.place


def test_each_root_has_its_own_way() -> None:
    """Guides of several roots know the same doors, and lead to the node of their own slot; a node told of all slots at once."""
    guide = cluster()
    early = guide.under("paceline:{1}")
    assert (None, None) == (early.place, early.likely)
    guide.answered(A, SLOTS)
    other = guide.under("paceline:{1}")
    assert (9842, guide.doors, ("c", 3)) == (other.slot, other.doors, other.place)
    assert (None, ("c", 3)) == (early.place, early.likely), (
        "it asks before it connects, and belongs to that node's shards"
    )
    other.forget()
    assert (None, ("c", 3)) == (other.place, other.likely), "whoever asks together with others waits for that node once"


def test_sentinels_name_the_primary_of_their_group() -> None:
    """With their own user and password; a group that they do not watch is told."""
    guide = guide_of(read_state("redis+sentinel://u:p@a:1,b:2/mine?db=3&sentinel_password=q"), "paceline:{0}")
    assert isinstance(guide, SentinelGuide)
    assert ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mine") == guide.question
    assert {"db": 0, "username": None, "password": "q"} == guide.asking
    assert C == guide.answered(B, ["c", "3"])
    assert (B, A) == guide.doors
    assert guide is guide.under("paceline:{1}")
    with pytest.raises(RedisConnectionError, match="no group named mine"):
        guide.answered(A, None)


def test_one_server_needs_no_guide() -> None:
    """Its connections are redis-py's own."""
    assert guide_of(read_state("redis://a"), "paceline:{0}") is None
