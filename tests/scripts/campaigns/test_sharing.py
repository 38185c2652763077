"""How campaigns and single bulk operations share a sender: turns by weight, and nobody waits for one that may not send."""

from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import pytest

from tests.conftest import SENDER, add_account
from tests.properties.places import ROOT
from tests.properties.uploads import Uploads, capped, openings
from tests.support.drive import ACCEPTED, Drive

INTERVAL_US = 110_000


@pytest.fixture
def uploads(drive: Drive) -> Uploads:
    """600 a minute with J of 10 ms: a slot every 110 ms."""
    add_account(drive.client, "fast", "600/minute", variation_ms=10)
    return Uploads(drive)


def turns(drive: Drive, count: int) -> list[str]:
    """The campaigns of the next operations, '-' for a single one; each is answered at once."""
    found = []
    for _ in range(count):
        begun = drive.begin_at_slot(hint := drive.grant_next())
        assert begun["s"] == "go"
        drive.settle(hint, ACCEPTED)
        found.append(begun.get("campaign", "-"))
    return found


def slots(drive: Drive, count: int) -> list[int]:
    """The slots of the next operations, each of them answered at its slot."""
    return [drive.call(ACCEPTED).slot_us for _ in range(count)]


def test_three_campaigns_share_a_sender_by_weight(drive: Drive, uploads: Uploads) -> None:
    """1 : 2 : 3 over 300 turns is 50, 100 and 150, and within one of it after any number of turns."""
    for weight in (1, 2, 3):
        uploads.start(f"c{weight}", 200, account="fast", options={"weight": str(weight)})
    seen: Counter[str] = Counter()
    for turn, name in enumerate(turns(drive, 300), start=1):
        seen[name] += 1
        assert all(abs(seen[f"c{weight}"] - turn * weight / 6) <= 1 for weight in (1, 2, 3)), (turn, seen)
    assert all(abs(seen[f"c{weight}"] - 50 * weight) <= 1 for weight in (1, 2, 3)), seen


def test_single_operations_have_the_share_of_one_campaign_of_weight_1(drive: Drive, uploads: Uploads) -> None:
    """Beside a campaign of weight 4 a single bulk operation leaves every fifth time."""
    uploads.start("c4", 100, account="fast", options={"weight": "4"})
    for _ in range(20):
        drive.send("fast", priority="bulk")
    assert 10 == pytest.approx(Counter(turns(drive, 50))["-"], abs=1)


def test_a_turn_given_back_after_the_source_came_back_wins_nothing(drive: Drive, uploads: Uploads) -> None:
    """The last operation of a source leaves, the next one comes, and the first one returns: it had no turn in this stay."""
    drive.send("fast", priority="bulk")
    hint = drive.grant_next()
    drive.send("fast", priority="bulk")
    drive.worker.give_back([hint], "the worker stops")
    assert 0.0 == drive.client.zscore(f"{ROOT}:l:fast:{SENDER}:w", "-")

    uploads.start("c1", 20, account="fast")
    assert {"-": 2, "c1": 2} == Counter(turns(drive, 4))


def test_a_changed_weight_counts_from_the_next_turn(drive: Drive, uploads: Uploads) -> None:
    """Of 30 turns the heavier one has 27, the very next among them."""
    uploads.start("c1", 200, account="fast")
    uploads.start("c2", 200, account="fast")
    assert {"c1": 5, "c2": 5} == Counter(turns(drive, 10))
    assert "done" == uploads.change("c2", {"weight": "9"})
    after = Counter(turns(drive, 30))
    assert 27 == pytest.approx(after["c2"], abs=1)
    uploads.change("c2", {"weight": "1"})
    assert 5 == pytest.approx(Counter(turns(drive, 10))["c2"], abs=1)


def test_a_campaign_that_waited_for_a_light_turn_does_not_wait_long_when_it_becomes_heavy(
    drive: Drive, uploads: Uploads
) -> None:
    """It had its turn of a thousand just now; with a thousandfold weight its next one comes after one of the other's."""
    uploads.start("c1", 50, account="fast")
    uploads.start("c2", 200, account="fast", options={"weight": "1000"})
    while turns(drive, 1) != ["c1"]:
        pass
    assert ["c2"] * 20 == turns(drive, 20)
    uploads.change("c1", {"weight": "1000"})
    assert 10 == pytest.approx(Counter(turns(drive, 20))["c1"], abs=2)


def test_one_that_ran_out_and_comes_back_wins_nothing(drive: Drive, uploads: Uploads) -> None:
    """One row at a time, offered whenever it has none: not more turns than its share, and no turns for what it did not use."""
    uploads.start("c1", 300, account="fast")
    uploads.start("c2", 1, account="fast", seal=False)
    seen: Counter[str] = Counter()
    for place in range(100):
        for name in turns(drive, 1):
            seen[name] += 1
            if name == "c2":
                uploads.write("c2", [{"to": f"+1555888{place:04d}"}])
    assert seen["c2"] <= 51
    turns(drive, 60)
    uploads.write("c2", [{"to": f"+1555777{place:04d}"} for place in range(50)])
    assert Counter(turns(drive, 20))["c2"] <= 11


def test_transactional_work_goes_next_behind_1000_of_bulk(drive: Drive, uploads: Uploads) -> None:
    """Also when the campaign is a thousand times heavier."""
    uploads.start("c1", 1000, account="fast", options={"weight": "1000"})
    turns(drive, 3)
    op = drive.send("fast")
    assert op == drive.deliver(ACCEPTED)


def pause(uploads: Uploads) -> None:
    uploads.control("pause", "c1")


def shut(uploads: Uploads) -> None:
    uploads.change("c1", openings(uploads.drive.now, (86400, 90000)))


def cap(uploads: Uploads) -> None:
    uploads.change("c1", capped(86_400_000_000))


@pytest.mark.parametrize("hold_back", [pause, shut, cap])
def test_one_that_may_not_send_blocks_nobody(
    drive: Drive, uploads: Uploads, hold_back: Callable[[Uploads], None]
) -> None:
    """Another campaign of the sender and its single operations take every slot; so does another sender."""
    uploads.start("c1", 20, account="fast", options={"weight": "1000"})
    uploads.start("c2", 20, account="fast", first=100)
    uploads.start("c3", 20, account="fast", first=200, sender="+15550100009")
    drive.send("fast", priority="bulk")
    if hold_back is cap:
        uploads.control("pause", "c2")
        uploads.control("pause", "c3")
        cap(uploads)
        while "c1" not in turns(drive, 1):
            pass
        uploads.control("resume", "c2")
        uploads.control("resume", "c3")
    else:
        hold_back(uploads)
    begin = drive.grant_next()
    drive.begin_at_slot(begin)
    drive.settle(begin, ACCEPTED)
    used = [begin.slot_us]
    seen = []
    for _ in range(30):
        hint = drive.grant_next()
        seen.append(drive.begin_at_slot(hint).get("campaign"))
        drive.settle(hint, ACCEPTED)
        used.append(hint.slot_us)
    assert "c1" not in seen
    assert {"c2", "c3"} <= set(seen)
    assert [INTERVAL_US] * 30 == [later - earlier for earlier, later in pairwise(used)]


@pytest.mark.parametrize("cap_us", [600_000, 1_000_000, 333_333])
def test_a_cap_is_met_exactly_on_average(drive: Drive, uploads: Uploads, cap_us: int) -> None:
    """200 calls of a campaign between slots of 110 ms: lateness of one is made up by the next ones."""
    uploads.start("c1", 201, account="fast", options=capped(cap_us))
    used = slots(drive, 201)
    distances = [later - earlier for earlier, later in pairwise(used)]
    assert all(cap_us - INTERVAL_US - 250_000 <= distance for distance in distances)
    assert cap_us == pytest.approx((used[-1] - used[0]) / 200, abs=250_000 / 200)


def test_a_cap_does_not_save_up(drive: Drive, uploads: Uploads) -> None:
    """A campaign that was paused for an hour is not faster afterwards."""
    uploads.start("c1", 20, account="fast", options=capped(2_000_000))
    slots(drive, 3)
    uploads.control("pause", "c1")
    drive.advance(3600)
    uploads.control("resume", "c1")
    used = slots(drive, 5)
    assert used[-1] - used[0] >= 4 * 2_000_000 - 250_000


def test_changing_a_cap_to_the_same_gives_no_extra_call(drive: Drive, uploads: Uploads) -> None:
    """Somebody who sets it again and again does not thereby exceed it."""
    uploads.start("c1", 20, account="fast", options=capped(60_000_000))
    first = slots(drive, 1)[0]
    uploads.change("c1", capped(60_000_000))
    assert first + 60_000_000 - 250_000 <= slots(drive, 1)[0]


def test_a_grant_that_was_not_used_costs_its_campaign_neither_turn_nor_cap(drive: Drive, uploads: Uploads) -> None:
    """The worker stops before it begins: the campaign has the next turn, and the cap counts one call less."""
    uploads.start("c1", 20, account="fast", options=capped(60_000_000))
    hint = drive.grant_next()
    drive.worker.give_back([hint], "the worker stops")
    again = drive.grant_next()
    assert hint.id == again.id
    assert again.slot_us - hint.slot_us <= INTERVAL_US


def test_a_reserve_leaves_a_campaign_less_and_transactional_work_all(drive: Drive, uploads: Uploads) -> None:
    """Half of 600 a minute: the campaign leaves every 220 ms, and what is transactional in the slots between."""
    drive.client.hset("paceline:{0}:a:fast", "reserve", 50)
    uploads.start("c1", 20, account="fast")
    used = slots(drive, 5)
    assert [2 * INTERVAL_US] * 4 == [later - earlier for earlier, later in pairwise(used)]
    drive.send("fast", sender=SENDER)
    assert used[-1] + INTERVAL_US == slots(drive, 1)[0]


def test_a_slot_that_bulk_gave_back_is_bulks_again_under_a_reserve(drive: Drive, uploads: Uploads) -> None:
    """Nothing was sent in it: the distance of the reserve is counted from the slot before."""
    drive.client.hset("paceline:{0}:a:fast", "reserve", 90)
    uploads.start("c1", 20, account="fast")
    slots(drive, 1)
    hint = drive.grant_next()
    drive.worker.give_back([hint], "the worker stops")
    assert drive.grant_next().slot_us - hint.slot_us <= INTERVAL_US
