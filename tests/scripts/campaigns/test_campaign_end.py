"""How a campaign comes to its end, or to a pause of itself: rejections, completion, and what happens after it."""

from datetime import timedelta

import pytest

from paceline.campaigns.options import CampaignOptions
from paceline.operations import DeleteMessage
from paceline.state.scripts import Script
from paceline_worker.accounts.accounts import Accounts
from paceline_worker.review.held import Held
from tests.conftest import SENDER, add_account
from tests.properties.places import ROOT
from tests.properties.uploads import Uploads
from tests.support.drive import ACCEPTED, REJECTED, UNKNOWN, Drive
from tests.support.ownership import ownerless_keys


@pytest.fixture
def uploads(drive: Drive) -> Uploads:
    add_account(drive.client, "fast", "600/minute", variation_ms=10)
    return Uploads(drive)


def test_a_campaign_is_paused_at_21_rejections_among_its_last_100_answers(drive: Drive, uploads: Uploads) -> None:
    """20 of 100 are borne for ever; the 21st pauses it, says why, and what was granted does not begin."""
    uploads.start("c1", 200, account="fast", options={"auto_pause": "20"})
    for place in range(120):
        drive.deliver(REJECTED if place % 5 == 0 else ACCEPTED)
    assert "hold" not in uploads.fields("c1")
    drive.deliver(REJECTED)  # the oldest of the 100 was one as well
    assert "hold" not in uploads.fields("c1")
    drive.deliver(REJECTED)
    found = uploads.fields("c1")
    assert ("paused", "21 of its last 100 answers were rejections") == (found["hold"], found["hold_why"])
    assert [] == uploads.settle_down()


def test_a_campaign_is_paused_before_100_answers_when_21_are_rejections(drive: Drive, uploads: Uploads) -> None:
    """Of a short list all were wrong: it does not go on until there are 100 answers."""
    uploads.start("c1", 30, account="fast", options={"auto_pause": "20"})
    for _ in range(20):
        drive.deliver(REJECTED)
    assert "hold" not in uploads.fields("c1")
    drive.deliver(REJECTED)
    assert "21 of its last 21 answers were rejections" == uploads.fields("c1")["hold_why"]


def test_after_a_resume_rejections_are_counted_anew(drive: Drive, uploads: Uploads) -> None:
    """Somebody looked at it and lets it go on: the next one does not pause it again."""
    uploads.start("c1", 60, account="fast", options={"auto_pause": "20"})
    for _ in range(21):
        drive.deliver(REJECTED)
    uploads.control("resume", "c1")
    for _ in range(20):
        drive.deliver(REJECTED)
    assert "hold" not in uploads.fields("c1")
    drive.deliver(REJECTED)
    assert "paused" == uploads.fields("c1")["hold"]


def test_completion_is_recorded_once_and_at_the_last_outcome(drive: Drive, uploads: Uploads) -> None:
    """Not before all is uploaded, and not again at later visits."""
    ids = uploads.start("c1", 2, seal=False)
    assert ids == uploads.settle_down()
    assert uploads.completed("c1") is None
    uploads.seal("c1")
    drive.grant()
    ended = uploads.completed("c1")
    assert drive.now == ended
    for _ in range(3):
        drive.send()
        uploads.settle_down()
    uploads.seal("c1")
    assert ended == uploads.completed("c1")
    assert ["accepted", "accepted", "complete"] == [entry["outcome"] for entry in uploads.told("c1")]
    assert "complete" == uploads.control("pause", "c1") == uploads.control("cancel", "c1")


def test_an_empty_campaign_is_complete_when_it_is_sealed(uploads: Uploads) -> None:
    """Nobody was on the list."""
    uploads.start("c1", 0)
    uploads.settle_down()
    assert uploads.completed("c1") is not None


def test_a_continued_campaign_has_its_end_again(drive: Drive, uploads: Uploads) -> None:
    """The same rows and new ones: known ones are duplicates, and it is complete when the new ones are."""
    uploads.start("c1", 2)
    uploads.settle_down()
    drive.advance(60)
    ids = uploads.start("c1", 3)
    assert uploads.completed("c1") is None
    assert -1 == drive.client.pttl(f"{ROOT}:c:c1:out")
    assert ids[2:] == uploads.settle_down()
    assert (2, 3) == (uploads.counted("c1", "duplicate"), uploads.counted("c1", "accepted"))
    assert uploads.completed("c1") is not None
    assert 0 < drive.client.pttl(f"{ROOT}:c:c1:out")


def test_one_that_is_released_opens_its_campaign_again(drive: Drive, uploads: Uploads) -> None:
    """A person lets a held one be sent again: the campaign is complete when that has its outcome."""
    uploads.start("c1", 1, on_unknown="hold")
    held = drive.deliver(UNKNOWN)
    uploads.settle_down()
    assert uploads.completed("c1") is not None
    Held(drive.client, retention=timedelta(hours=1)).release(held)
    assert uploads.completed("c1") is None
    assert [held] == uploads.settle_down()
    assert uploads.completed("c1") is not None
    assert (1, 0) == (uploads.counted("c1", "accepted"), uploads.counted("c1", "held"))


def test_a_campaign_forgets_a_retention_time_after_its_first_outcome(drive: Drive, uploads: Uploads) -> None:
    """From then on nobody can tell who had the message; later outcomes do not move it."""
    uploads.start("c1", 3)
    first = drive.call(ACCEPTED)
    uploads.settle_down()
    assert first.slot_us + 3_600_000_000 == uploads.counted("c1", "forgets_at")
    drive.set_time(first.slot_us + 3_600_000_000 - 1)
    assert "continued" == uploads.open("c1")
    drive.advance(0.000001)
    assert "forgotten" == uploads.open("c1")


def test_an_auto_pause_of_0_percent_never_pauses(uploads: Uploads) -> None:
    """`auto_pause=0` switches it off."""
    options = CampaignOptions(auto_pause=0).texts(uploads.drive.now)
    uploads.start("c1", 3, account="fast", options=options)
    for _ in range(2):
        uploads.drive.deliver(REJECTED)
    assert "hold" not in uploads.fields("c1")


def test_a_held_one_that_is_dropped_after_the_outcomes_expired_leaves_no_key(drive: Drive, uploads: Uploads) -> None:
    """The stream of a complete campaign expires; a later outcome of it must not stay for ever."""
    uploads.start("c1", 1, account="fast", on_unknown="hold")
    held = drive.deliver(UNKNOWN)
    uploads.settle_down()
    assert uploads.completed("c1") is not None
    drive.client.delete(f"{ROOT}:c:c1:out")  # the retention time has passed
    Held(drive.client, retention=timedelta(hours=1)).drop(held)
    assert f"{ROOT}:c:c1:out" not in ownerless_keys(drive.client)


def test_rows_of_a_slow_upload_that_come_after_completion_are_the_campaigns_again(
    drive: Drive, uploads: Uploads
) -> None:
    """Two processes upload the same campaign; one seals it, and the other still writes."""
    uploads.start("c1", 1, account="fast")
    drive.deliver(ACCEPTED)
    uploads.settle_down()
    uploads.write("c1", [{"to": "+15550299999"}])
    assert 0 == drive.balance("fast").unaccounted
    assert "done" == uploads.control("pause", "c1")


def test_sealing_a_complete_campaign_keeps_the_books(drive: Drive, uploads: Uploads) -> None:
    """Two processes upload the same rows, and both say that they are done."""
    uploads.start("c1", 1, account="fast")
    drive.deliver(ACCEPTED)
    uploads.settle_down()
    uploads.seal("c1")
    assert 0 == drive.balance("fast").unaccounted


def test_an_account_that_is_suspended_can_be_removed_when_its_campaigns_are_over(
    drive: Drive, uploads: Uploads
) -> None:
    """Sources that ran out of work stay in turn until they come up, which a suspended account's never do."""
    uploads.start("c1", 1, account="fast")
    uploads.start("c2", 1, account="fast")
    for _ in range(2):
        hint = drive.grant_next()
        drive.begin_at_slot(hint)
        drive.settle(hint, ACCEPTED)
    Accounts(drive.client).suspend("fast")
    drive.grant()
    Accounts(drive.client).remove("fast")


def test_a_complete_campaign_that_still_has_a_turn_keeps_the_books(drive: Drive, uploads: Uploads) -> None:
    """Its last operation was sent, another campaign has the sender, and its own next turn is over its cap."""
    uploads.start("c1", 1, account="fast", options={"cap": "60000000", "rate": "1/minute"})
    uploads.start("c2", 20, account="fast", first=100)
    for _ in range(6):
        drive.deliver(ACCEPTED)
        assert 0 == drive.balance("fast").unaccounted
    assert uploads.completed("c1") is not None


def deleted_draft(drive: Drive, uploads: Uploads) -> list[str]:
    """A draft that was deleted: two of its recipients were on a list, and have an outcome; the others waited."""
    listed = ["+15550200002", "+15550200003"]
    Script("paceline", "suppress").run(drive.client, "add", "fast", "by hand", 1, *listed)
    uploads.open("c1", account="fast", paused=True)
    ids = uploads.write("c1", [{"to": number} for number in [*listed, "+15550200004"]])[1]
    assert "done" == drive.state.control_campaign("delete", "c1", "")
    drive.grant()
    assert {} == uploads.fields("c1")
    Script("paceline", "suppress").run(drive.client, "remove", "fast", 1, *listed)
    return ids


def test_a_deleted_campaign_leaves_no_operation_behind(drive: Drive, uploads: Uploads) -> None:
    """What its suppression lists held back has gone with it."""
    ids = deleted_draft(drive, uploads)
    assert [None] * 3 == [drive.state.operation(op) for op in ids]
    assert not list(drive.client.scan_iter(f"{ROOT}:c:c1*"))


def test_a_deleted_campaign_that_is_written_again_reaches_all(drive: Drive, uploads: Uploads) -> None:
    """It is another campaign of the same name, and nobody of it has had an outcome."""
    ids = deleted_draft(drive, uploads)
    uploads.open("c1", account="fast")
    numbers = [f"+1555020000{place}" for place in (2, 3, 4)]
    assert ids == uploads.write("c1", [{"to": number} for number in numbers])[1]
    uploads.seal("c1")
    assert sorted(ids) == sorted(uploads.settle_down(30))


def test_very_many_that_a_list_held_back_are_deleted_in_parts(drive: Drive, uploads: Uploads) -> None:
    """No look is long, however many there are."""
    numbers = [f"+15550{place:06d}" for place in range(700)]
    Script("paceline", "suppress").run(drive.client, "add", "fast", "by hand", 1, *numbers)
    uploads.open("c1", account="fast", paused=True)
    for first in range(0, 700, 100):
        uploads.write("c1", [{"to": number} for number in numbers[first : first + 100]])
    assert "done" == drive.state.control_campaign("delete", "c1", "")
    looks = 0
    while uploads.fields("c1"):
        drive.grant()
        drive.advance(0.05)
        looks += 1
    assert looks > 2
    assert 0 == len(list(drive.client.scan_iter(f"{ROOT}:o:*")))


def test_an_operation_whose_campaign_is_gone_stops_nobody(drive: Drive, uploads: Uploads) -> None:
    """An earlier release left such operations: one that follows it is refused, and the look of the shard goes on."""
    uploads.open("c1", account="fast", paused=True)
    [op] = uploads.write("c1", [{"to": "+15550200002"}])[1]
    follower = drive.submit(DeleteMessage(account="fast", sender=SENDER, message=op))
    drive.client.delete(f"{ROOT}:c:c1")
    other = drive.send("fast")
    assert other == drive.deliver(ACCEPTED)
    assert ("d", "rejected") == (drive.operation(follower)["s"], drive.operation(follower)["oc"])
