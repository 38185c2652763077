"""Pause, resume, cancel and the end of a campaign, wherever its operations are."""

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

import pytest

from paceline.operations import SendMessage
from paceline_worker.accounts.accounts import Accounts
from paceline_worker.state.values import Hint
from tests.conftest import add_account
from tests.properties.places import ROOT, look
from tests.properties.uploads import Uploads, openings
from tests.support.drive import ABSENT, ACCEPTED, OVERLOADED, THROTTLED, UNKNOWN, Drive


@pytest.fixture
def uploads(drive: Drive) -> Uploads:
    add_account(drive.client, "fast", "600/minute", variation_ms=10)
    return Uploads(drive)


def grant_and_begin(drive: Drive) -> Hint:
    """The next operation is being sent."""
    hint = drive.grant_next()
    assert "go" == drive.begin_at_slot(hint)["s"]
    return hint


def test_nothing_that_was_granted_begins_after_a_pause(drive: Drive, uploads: Uploads) -> None:
    """It is back at the head of its campaign, its slot is another sender's, and no attempt was spent."""
    ids = uploads.start("c1", 3)
    other = drive.send(sender="+15550100009", priority="bulk")
    drive.settle(grant_and_begin(drive), ACCEPTED)  # lanes take turns: the campaign's, the other's ...
    assert other == drive.deliver(ACCEPTED)
    hint = drive.grant_next()
    uploads.control("pause", "c1")
    late = drive.send(sender="+15550100009", priority="bulk")
    assert {"s": "no", "why": "paused", "account": "acme"} == drive.begin_at_slot(hint)
    again = drive.grant_next()
    assert (late, 0) == (again.id, drive.balance().unaccounted)
    assert again.slot_us - hint.slot_us <= 100_000
    drive.begin_at_slot(again)
    drive.settle(again, ACCEPTED)
    uploads.control("resume", "c1")
    assert (ids[1], ids[2]) == (drive.deliver(ACCEPTED), drive.deliver(ACCEPTED))


def test_what_is_being_sent_when_it_is_paused_comes_to_its_end(drive: Drive, uploads: Uploads) -> None:
    """A call that was made counts; the rest waits for the resume, however long."""
    ids = uploads.start("c1", 2)
    hint = grant_and_begin(drive)
    uploads.control("pause", "c1")
    assert "accepted" == drive.settle(hint, ACCEPTED)
    assert [] == uploads.settle_down()
    drive.advance(86400)
    assert [] == uploads.settle_down()
    uploads.control("resume", "c1")
    assert [ids[1]] == uploads.settle_down()
    assert uploads.completed("c1") is not None


def test_look_ups_go_on_while_it_is_paused(drive: Drive, uploads: Uploads) -> None:
    """They send nothing; an operation that they find absent waits like the others."""
    ids = uploads.start("c1", 2)
    drive.call(UNKNOWN)
    uploads.control("pause", "c1")
    for _ in range(2):
        assert ids[0] == drive.deliver(ABSENT)
    assert [] == uploads.settle_down()
    uploads.control("resume", "c1")
    assert ids == uploads.settle_down()


def test_a_campaign_that_begins_paused_waits_for_its_resume(uploads: Uploads) -> None:
    """Also its rows that come afterwards."""
    ids = uploads.start("c1", 2, paused=True)
    assert [] == uploads.settle_down()
    uploads.control("resume", "c1")
    assert ids == uploads.settle_down()


def put_waiting(_: Drive, uploads: Uploads) -> None:
    uploads.start("c1", 1)


def put_scheduled(drive: Drive, uploads: Uploads) -> None:
    uploads.open("c1")
    uploads.write("c1", [{"to": "+15550200001", "not_before": (drive.now + timedelta(hours=5)).isoformat()}])
    uploads.seal("c1")


def put_in_back_off(drive: Drive, uploads: Uploads) -> None:
    uploads.start("c1", 1)
    drive.deliver(OVERLOADED)


def put_behind_a_back_off(drive: Drive, uploads: Uploads) -> None:
    uploads.open("c1")
    uploads.write("c1", [{"to": "+15550200001", "key": key} for key in ("a", "b", "c")])
    uploads.seal("c1")
    drive.deliver(OVERLOADED)
    drive.advance(1)
    drive.grant()


def put_in_a_closed_window(drive: Drive, uploads: Uploads) -> None:
    uploads.start("c1", 1, options=openings(drive.now, (3600, 7200)))
    drive.grant()


def put_on_hold(_: Drive, uploads: Uploads) -> None:
    uploads.start("c1", 1, paused=True)


def put_under_a_grant(drive: Drive, uploads: Uploads) -> None:
    uploads.start("c1", 1)
    drive.grant_next()


def put_to_be_looked_up(drive: Drive, uploads: Uploads) -> None:
    uploads.start("c1", 1)
    drive.deliver(UNKNOWN)


def put_behind_a_throttling_pause(drive: Drive, uploads: Uploads) -> None:
    uploads.start("c1", 1)
    drive.deliver(THROTTLED)


def put_in_the_inbox(_: Drive, uploads: Uploads) -> None:
    uploads.open("c1")
    uploads.write("c1", [{"to": "+15550200001"}], accept=False)
    uploads.seal("c1")


PLACES = (
    put_waiting, put_scheduled, put_in_back_off, put_behind_a_back_off, put_in_a_closed_window, put_on_hold, put_under_a_grant,
    put_to_be_looked_up, put_behind_a_throttling_pause,
)  # fmt: skip


@pytest.mark.parametrize("put", PLACES)
def test_a_cancel_finds_an_operation_wherever_it_is(
    drive: Drive, uploads: Uploads, put: Callable[[Drive, Uploads], None]
) -> None:
    """It ends as cancelled, nothing is sent any more, the campaign has its end, and no key stays that nobody owns."""
    put(drive, uploads)
    uploads.control("cancel", "c1")
    found = uploads.settle_down(verdict=ABSENT)
    assert put is put_to_be_looked_up or [] == found
    assert uploads.counted("c1", "written") == uploads.counted("c1", "cancelled")
    assert (0, 0) == (uploads.counted("c1", "left"), drive.balance().unaccounted)
    assert "cancelled" == uploads.told("c1")[-1]["outcome"]
    assert str(uploads.counted("c1", "cancelled")) == uploads.told("c1")[-1]["count"]
    places = look(drive.client)
    assert [] == [fields for fields in places.operations.values() if "n" not in fields]
    assert ([], set()) == (places.timed, places.open)
    Accounts(drive.client).remove("acme")


def test_what_is_being_sent_or_held_when_it_is_cancelled_keeps_its_own_outcome(drive: Drive, uploads: Uploads) -> None:
    """One is accepted, one is held for a person, and only the third is cancelled."""
    uploads.start("c1", 3, on_unknown="hold")
    drive.deliver(UNKNOWN)
    hint = grant_and_begin(drive)
    uploads.control("cancel", "c1")
    assert "accepted" == drive.settle(hint, ACCEPTED)
    uploads.settle_down()
    assert [1, 1, 1] == [uploads.counted("c1", what) for what in ("accepted", "held", "cancelled")]
    assert uploads.completed("c1") is not None


def test_one_that_is_sent_in_vain_after_the_cancel_is_not_tried_again(drive: Drive, uploads: Uploads) -> None:
    """The provider was busy: its back-off ends in its cancellation."""
    uploads.start("c1", 1)
    hint = grant_and_begin(drive)
    uploads.control("cancel", "c1")
    drive.settle(hint, OVERLOADED)
    assert [] == uploads.settle_down()
    assert ("cancelled", "its campaign was cancelled") == tuple(
        drive.operation(hint.id)[field] for field in ("oc", "le")
    )


def test_a_cancelled_one_that_was_never_granted_leaves_nothing(drive: Drive, uploads: Uploads) -> None:
    """Its memory comes back; the others that wait for its outcome hear of it."""
    ids = uploads.start("c1", 3)
    follower = drive.submit(SendMessage(account="acme", sender="+15550100009", group=ids[1], text="Hi"))
    drive.send(sender="+15550100009", to="+15550200009")
    for _ in range(2):
        drive.settle(grant_and_begin(drive), ACCEPTED)
    drive.grant()
    assert "1" == drive.client.hget(f"{ROOT}:o:{ids[1]}", "fo")
    uploads.control("cancel", "c1")
    uploads.settle_down()
    assert ("cancelled", "rejected") == (drive.operation(ids[1])["oc"], drive.operation(follower)["oc"])
    assert drive.state.operation(ids[2]) is None


def test_a_cancel_of_2000_is_done_in_slices(drive: Drive, uploads: Uploads) -> None:
    """No visit deletes more than the budget of a script allows, another one follows, and all of them are counted."""
    uploads.start("c1", 2000)
    uploads.control("cancel", "c1")
    slices = []
    while uploads.completed("c1") is None:
        before = uploads.counted("c1", "cancelled")
        drive.grant()
        slices.append(uploads.counted("c1", "cancelled") - before)
        drive.advance(0.01)
    assert max(slices) <= 250
    assert 2000 == sum(slices)
    assert {} == look(drive.client).operations


def test_a_cancel_does_not_disturb_another_campaign(drive: Drive, uploads: Uploads) -> None:
    """Of the same sender: its operations leave in every slot meanwhile."""
    uploads.start("c1", 2000, account="fast")
    ids = uploads.start("c2", 10, account="fast", first=5000)
    uploads.control("cancel", "c1")
    hints = [drive.call(ACCEPTED) for _ in range(10)]
    assert ids == [hint.id for hint in hints]
    assert [110_000] * 9 == [later.slot_us - earlier.slot_us for earlier, later in pairwise(hints)]


def test_cancel_is_final(uploads: Uploads) -> None:
    """It is neither resumed, changed nor continued; cancelled twice is no error, and nothing changes."""
    uploads.start("c1", 2)
    assert "done" == uploads.control("cancel", "c1")
    assert {"cancelled"} == {uploads.control(verb, "c1") for verb in ("resume", "pause", "cancel")}
    assert ("cancelled", "cancelled") == (uploads.change("c1", {"weight": "2"}), uploads.open("c1"))
    assert "cancelled campaign" == uploads.write("c1", [{"to": "+15550299999"}])[0]
    uploads.settle_down()
    assert "cancelled" == uploads.fields("c1")["hold"]


def test_a_chunk_that_comes_after_the_cancel_is_refused_and_the_campaign_ends(uploads: Uploads) -> None:
    """The record waited in the inbox when the campaign was cancelled: it is the last thing that kept it open."""
    uploads.start("c1", 2)
    uploads.write("c1", [{"to": "+15550299999"}], accept=False)
    uploads.control("cancel", "c1")
    uploads.settle_down()
    assert uploads.completed("c1") is None
    uploads.drive.accept_all()
    uploads.settle_down()
    assert 1 == uploads.counted("c1", "refused")
    assert uploads.completed("c1") is not None


def test_what_is_parked_behind_a_cancelled_one_is_cancelled_too(drive: Drive, uploads: Uploads) -> None:
    """The head had not been granted (a budget kept it back), so it has no story; those behind it wait for it."""
    drive.client.hset(f"{ROOT}:a:fast", "budgets", "message.to_number:1:60000000")
    uploads.open("c1", account="fast")
    rows = [{"to": "+15550200001"}] + [{"to": "+15550200002", "key": f"k{place}"} for place in range(3)]
    uploads.write("c1", rows)
    uploads.seal("c1")
    drive.deliver(ACCEPTED)
    for _ in range(3):  # the head is set aside, and the others are parked
        drive.advance(1)
        drive.grant()
    drive.advance(70)
    drive.grant(capacity=0)  # back in its lane
    uploads.control("cancel", "c1")
    uploads.settle_down()
    assert (1, 3) == (uploads.counted("c1", "accepted"), uploads.counted("c1", "cancelled"))
    assert uploads.completed("c1") is not None


def test_no_script_deletes_more_than_its_slice(drive: Drive, uploads: Uploads) -> None:
    """Three campaigns are cancelled at once: another script waits for 250 deletions, not for 750."""
    names = ("c1", "c2", "c3")
    for name in names:
        uploads.start(name, 300, account="fast")
    for name in names:
        uploads.control("cancel", name)
    drive.grant()
    assert 250 >= drive.balance("fast").outcomes["cancelled"]
