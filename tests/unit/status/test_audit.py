from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.literals import OUTCOMES
from paceline.state.pictures import AccountPicture
from paceline.status.audit import balance_of

NUMBERS = st.integers(0, 10**9)


def found(counts: dict[str, int], lanes: list[dict[str, Any]] | None = None, **more: int) -> AccountPicture:
    counted = {name: str(number) for name, number in counts.items()}
    account = {"name": "acme", "interval_now": "1", "next_slot": "1"}
    return AccountPicture.read({"account": account, "now": "1", "counts": counted, "lanes": lanes or []} | more)


def lane(transactional: int, bulk: int, parked: int) -> dict[str, Any]:
    return {"sender": "+1", "transactional": transactional, "bulk": bulk, "parked": parked}


@pytest.mark.parametrize(
    ("unaccounted", "reply"),
    [
        (0, found({})),
        (1, found({"received": 1})),
        (0, found({"received": 1, "inbox": 1})),
        (0, found({"received": 5, "duplicate": 2, "refused": 3})),
        (0, found({"received": 6}, [lane(1, 2, 3)])),
        (0, found({"received": 6}, [lane(1, 0, 0), lane(0, 5, 0)])),
        (0, found({"received": 4}, timed=4)),
        (0, found({"received": 4}, in_flight=4)),
        (0, found({"received": 3, "accepted": 1, "dead": 1, "held": 1})),
        (0, found({"received": 9, "written": 9, "accepted": 4}, [lane(1, 1, 1)], timed=1, in_flight=1)),
        (-1, found({"received": 1, "accepted": 1}, in_flight=1)),
        (2, found({"received": 3, "accepted": 1})),
    ],
)
def test_what_came_in_is_somewhere(unaccounted: int, reply: AccountPicture) -> None:
    """Received minus everything found is zero; positive means lost, negative means twice."""
    assert unaccounted == balance_of(reply).unaccounted


@given(NUMBERS, st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), max_size=5), NUMBERS, NUMBERS, st.integers(-5, 5))
def test_the_balance_counts_every_place_once(
    inbox: int, lanes: list[tuple[int, int, int]], timed: int, in_flight: int, lost: int
) -> None:
    """Whatever the places hold, one operation more or less shows as exactly that."""
    settled = {outcome: place for place, outcome in enumerate(OUTCOMES, 1)}
    total = inbox + sum(map(sum, lanes)) + timed + in_flight + sum(settled.values())
    counts = {"received": total + 7 + lost, "duplicate": 4, "refused": 3, "inbox": inbox} | settled
    reply = found(counts, [lane(*one) for one in lanes], timed=timed, in_flight=in_flight)
    assert lost == balance_of(reply).unaccounted


def test_a_balance_as_json_is_pinned() -> None:
    """``paceline audit --json`` prints these names."""
    counts = {"received": 10, "duplicate": 1, "refused": 1, "inbox": 2, "accepted": 3}
    assert balance_of(found(counts, [lane(1, 0, 1)], in_flight=1)).as_json() == {
        "account": "acme",
        "received": 10,
        "refused": 2,
        "inbox": 2,
        "waiting": 2,
        "in_flight": 1,
        "outcomes": {"accepted": 3, "rejected": 0, "expired": 0, "cancelled": 0, "dead": 0, "held": 0, "suppressed": 0},
        "unaccounted": 0,
    }
