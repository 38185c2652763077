"""An operation that may have arrived is never told as one that was not sent: by no cancelling, no expiry and no list."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from paceline.operations import CreateGroup, SendMessage
from paceline.state.scripts import Script
from paceline_worker.review.dead import DeadLetters
from paceline_worker.review.held import Held
from tests.conftest import SENDER, add_account
from tests.properties.uploads import Uploads
from tests.support.drive import ABSENT, ACCEPTED, OVERLOADED, THROTTLED, UNKNOWN, Drive

TO = "+15550100002"
GROUP = "WAG11111111-2222-4333-8444-555555555555"


def cancel(drive: Drive, op: str) -> str:
    return str(Script("paceline", "cancel").run(drive.client, op, "by hand"))


def ends(drive: Drive, op: str) -> tuple[str, str]:
    """Its outcome and code, once nothing of it is due any more."""
    while drive.operation(op)["s"] != "d":
        drive.go_to_next_due()
        assert not drive.grant().hints
    return drive.operation(op)["oc"], drive.operation(op)["cd"]


def maybe_sent(drive: Drive, **fields: Any) -> str:
    op = drive.send(on_unknown="resend", to=TO, **fields)
    assert op == drive.deliver(UNKNOWN)
    return op


def test_it_is_not_cancelled(drive: Drive) -> None:
    """Who cancels is told why; it is sent again, as its policy says."""
    op = maybe_sent(drive)
    assert "one of its calls may have taken effect, and it is sent again" == cancel(drive, op)
    assert op == drive.deliver(OVERLOADED)  # the next call has an answer, the first one still has none
    assert "cancelled" != cancel(drive, op)
    assert op == drive.deliver(ACCEPTED)


def test_one_whose_calls_all_had_an_answer_is_cancelled(drive: Drive) -> None:
    for verdict in (OVERLOADED, THROTTLED):
        op = drive.send(on_unknown="resend")
        assert op == drive.deliver(verdict)
        assert "cancelled" == cancel(drive, op)
        assert ("cancelled", "cancelled") == ends(drive, op)


def test_one_that_was_looked_up_is_cancelled(drive: Drive) -> None:
    """The history has shown that it did not arrive."""
    op = drive.send()
    assert [op] * 3 == [drive.deliver(verdict) for verdict in (UNKNOWN, ABSENT, ABSENT)]
    assert "cancelled" == cancel(drive, op)
    assert ("cancelled", "cancelled") == ends(drive, op)


def test_it_is_dead_when_its_time_is_over(drive: Drive) -> None:
    """The words say both."""
    op = maybe_sent(drive, valid_until=drive.now + timedelta(seconds=8))
    assert ("dead", "unknown") == ends(drive, op)
    assert "it may have arrived, and is not sent again: its valid_until passed" in drive.operation(op)["le"]
    assert 0 == drive.balance().unaccounted


def test_it_is_dead_when_its_recipient_opts_out(drive: Drive) -> None:
    op = maybe_sent(drive)
    Script("paceline", "suppress").run(drive.client, "add", "acme", "by hand", 1, TO)
    assert ("dead", "unknown") == ends(drive, op)


def test_it_is_dead_when_its_campaign_is_cancelled(drive: Drive) -> None:
    """Those that nobody called are cancelled."""
    add_account(drive.client, "fast", "600/minute", variation_ms=10)
    uploads = Uploads(drive)
    uploads.open("c1", account="fast", on_unknown="resend")
    ids = uploads.write("c1", [{"to": TO}, {"to": "+15550100003"}])[1]
    uploads.seal("c1")
    assert ids[0] == drive.deliver(UNKNOWN)
    assert "done" == drive.state.control_campaign("cancel", "c1", "by hand")
    assert [] == uploads.settle_down(30)
    assert ("dead", "unknown") == ends(drive, ids[0])
    assert (1, 1) == (uploads.counted("c1", "dead"), uploads.counted("c1", "cancelled"))
    assert uploads.completed("c1") is not None
    assert 0 == drive.balance("fast").unaccounted


def test_a_person_may_drop_one_that_is_held(drive: Drive) -> None:
    """What a person decides stands."""
    op = drive.send(on_unknown="hold")
    assert op == drive.deliver(UNKNOWN)
    Held(drive.client, retention=timedelta(hours=1)).drop(op, reason="told by phone")
    assert ("cancelled", "dropped") == (drive.operation(op)["oc"], drive.operation(op)["cd"])


def test_one_that_a_person_released_is_cancelled_as_any_other(drive: Drive) -> None:
    op = drive.send(on_unknown="hold")
    assert op == drive.deliver(UNKNOWN)
    Held(drive.client, retention=timedelta(hours=1)).release(op)
    assert "cancelled" == cancel(drive, op)
    assert ("cancelled", "cancelled") == ends(drive, op)


def follower(drive: Drive, **options: Any) -> tuple[str, str]:
    """A message of unknown outcome to a group that was made before, and the making of the group."""
    group = drive.submit(CreateGroup(account="acme", sender=SENDER, name="Team", participants=("+15550300001",)))
    op = drive.submit(SendMessage(account="acme", sender=SENDER, group=group, text="Hi", **options))
    assert [group, op] == [drive.deliver(replace(ACCEPTED, uuid=GROUP)), drive.deliver(UNKNOWN)]
    return op, group


def test_it_is_held_when_what_it_follows_is_forgotten_before_the_look_up(drive: Drive) -> None:
    """Nothing tells any more where to look."""
    op, group = follower(drive)
    drive.client.delete(f"paceline:{{0}}:o:{group}")  # its retention time is over
    assert ("held", "unknown") == ends(drive, op)


def test_it_is_dead_when_what_it_follows_is_forgotten_before_it_is_sent_again(drive: Drive) -> None:
    op, group = follower(drive, on_unknown="resend")
    drive.client.delete(f"paceline:{{0}}:o:{group}")
    assert ("dead", "unknown") == ends(drive, op)


def test_one_that_a_person_replays_is_cancelled_as_any_other(drive: Drive) -> None:
    """A person decided that it is sent again, and may decide otherwise."""
    op = maybe_sent(drive, valid_until=drive.now + timedelta(seconds=8))
    assert ("dead", "unknown") == ends(drive, op)
    list(DeadLetters(drive.client, retention=timedelta(hours=1)).replay([op]))
    assert "cancelled" == cancel(drive, op)
    assert ("cancelled", "cancelled") == ends(drive, op)
