"""Campaigns with several senders: who sends to whom, and what becomes of the recipients of a sender that fails."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from paceline.campaigns.campaign import Campaign
from paceline.campaigns.senders import Sender, as_field, sender_of, senders_of
from paceline_worker.verdict.policy import Verdict
from tests.conftest import add_account
from tests.properties.uploads import Uploads
from tests.support.drive import ACCEPTED, OVERLOADED, Drive

NUMBERS = [f"+1555010000{digit}" for digit in range(1, 5)]
POOL = senders_of(NUMBERS)
GONE = Verdict("finish", "rejected", code="404", words="the number was not found")
BUSY = Verdict("defer", scope="sender", delay_s=3.0, code="410", words="the number is connecting")


@pytest.fixture
def uploads(drive: Drive) -> Uploads:
    add_account(drive.client, "fast", "600/minute", variation_ms=10)
    return Uploads(drive)


def people(count: int, first: int = 0) -> list[dict[str, str]]:
    return [{"to": f"+1555{first + place:07d}"} for place in range(count)]


def start(uploads: Uploads, name: str, count: int, *, pool: tuple[Sender, ...] = POOL, stop: bool = False) -> list[str]:
    """Upload a campaign for a pool; returns the ids of its operations."""
    options = {"on_failure": "stop"} if stop else {}
    uploads.open(name, account="fast", sender=pool[0].number, options=options, fs=as_field(pool))
    ids = uploads.write(name, people(count))[1]
    uploads.seal(name)
    return ids


def field(drive: Drive, op: str, name: str) -> str | None:
    return drive.client.hget(f"paceline:{{0}}:o:{op}", name)  # type: ignore[return-value]


def senders_by_recipient(drive: Drive, ids: list[str]) -> dict[str, str]:
    return {str(field(drive, op, "to")): field(drive, op, "f") or NUMBERS[0] for op in ids}


def answered(drive: Drive, banned: set[str], *, stop_after: int = 10_000) -> Iterator[tuple[str, str, bool]]:
    """Everything that is due, each call answered by what its sender is: recipient, sender, accepted."""
    turns = 0
    while (due := drive.next_due_us()) is not None and turns < stop_after:
        turns += 1
        drive.set_time(max(drive.now_us, due))
        for hint in drive.grant().hints:
            if drive.begin_at_slot(hint)["s"] != "go":
                continue
            sender, to = field(drive, hint.id, "f") or NUMBERS[0], str(field(drive, hint.id, "to"))
            drive.settle(hint, GONE if sender in banned else ACCEPTED)
            yield to, sender, sender not in banned


def test_the_rule_is_the_same_in_python_and_in_the_script(drive: Drive, uploads: Uploads) -> None:
    """Weights among it."""
    pool = senders_of([f"{NUMBERS[0]}=5", NUMBERS[1], f"{NUMBERS[2]}=2"])
    found = senders_by_recipient(drive, start(uploads, "c1", 500, pool=pool))
    assert {to: sender_of(to, pool) for to in found} == found


def test_weights_are_shares(drive: Drive, uploads: Uploads) -> None:
    """1, 2 and 5 of 8, within a few percent."""
    pool = senders_of([f"{NUMBERS[0]}=5", NUMBERS[1], f"{NUMBERS[2]}=2"])
    counts = Counter(senders_by_recipient(drive, start(uploads, "c1", 800, pool=pool)).values())
    for number, share in ((NUMBERS[0], 500), (NUMBERS[1], 100), (NUMBERS[2], 200)):
        assert abs(counts[number] - share) < 60


def test_a_number_more_moves_nobody(drive: Drive, uploads: Uploads) -> None:
    """Not even those whom the hash would now give to it: they have their conversation."""
    before = senders_by_recipient(drive, start(uploads, "c1", 400, pool=POOL[:3]))
    after = senders_by_recipient(drive, start(uploads, "c2", 400))
    assert before == after
    uploads.open("c3", account="fast", sender=POOL[0].number, fs=as_field(POOL))
    fresh = senders_by_recipient(drive, uploads.write("c3", people(400, 10_000))[1])
    assert NUMBERS[3] in fresh.values()


def test_without_a_conversation_a_number_more_moves_only_its_own_share() -> None:
    """By the rule alone: whoever moves, moves to the new one."""
    numbers = [row["to"] for row in people(2000)]
    moved = [sender_of(to, POOL) for to in numbers if sender_of(to, POOL) != sender_of(to, POOL[:3])]
    assert {NUMBERS[3]} == set(moved)
    assert 400 < len(moved) < 600


def test_a_single_message_is_a_conversation_too(drive: Drive, uploads: Uploads) -> None:
    """Of an account that has a campaign for a pool: who wrote last goes on."""
    start(uploads, "c1", 1)
    to = people(1, 500)[0]["to"]
    other = next(number for number in NUMBERS if number != sender_of(to, POOL))
    drive.send("fast", sender=other, to=to)
    uploads.open("c2", account="fast", sender=POOL[0].number, fs=as_field(POOL))
    assert {to: other} == senders_by_recipient(drive, uploads.write("c2", [{"to": to}])[1])


def test_all_senders_send_beside_each_other(drive: Drive, uploads: Uploads) -> None:
    """Every operation arrives once, by the sender that it has."""
    ids = start(uploads, "c1", 200)
    expected = senders_by_recipient(drive, ids)
    seen = [(to, sender) for to, sender, _ in answered(drive, set())]
    assert sorted(expected.items()) == sorted(seen)
    assert uploads.completed("c1") is not None


def test_a_banned_sender_hands_its_recipients_over(drive: Drive, uploads: Uploads) -> None:
    """Banned from the middle on: each recipient is accepted once, and nobody is lost."""
    ids = start(uploads, "c1", 300)
    before = senders_by_recipient(drive, ids)
    way = answered(drive, banned := set[str]())
    accepted = [next(way)[0] for _ in range(120)]
    banned.add(NUMBERS[2])
    refused: list[str] = []
    for to, _, was_accepted in way:
        (accepted if was_accepted else refused).append(to)
    assert sorted(before) == sorted(accepted)
    assert 1 <= len(refused) <= 4
    assert (300, 0) == (uploads.counted("c1", "accepted"), uploads.counted("c1", "rejected"))
    after = senders_by_recipient(drive, ids)
    assert {to: sender for to, sender in before.items() if sender != NUMBERS[2]}.items() <= after.items()
    failed = uploads.fields("c1")[f"failed:{NUMBERS[2]}"]
    assert "the number could not send messages that other senders could" in failed
    assert uploads.completed("c1") is not None


def test_the_next_campaign_keeps_those_who_were_handed_over(drive: Drive, uploads: Uploads) -> None:
    """Their new sender is their conversation."""
    ids = start(uploads, "c1", 100)
    list(answered(drive, {NUMBERS[1]}))
    assert senders_by_recipient(drive, ids) == senders_by_recipient(drive, start(uploads, "c2", 100))


def test_a_recipient_who_does_not_exist_is_rejected_and_no_sender_fails(drive: Drive, uploads: Uploads) -> None:
    """Another sender tries once more, and says the same."""
    start(uploads, "c1", 20)
    for _ in range(40):
        drive.call(GONE)
    assert 20 == uploads.counted("c1", "rejected")
    assert "failed" not in uploads.fields("c1")


def test_a_sender_that_stops_keeps_its_recipients_until_somebody_resumes(drive: Drive, uploads: Uploads) -> None:
    """The others go on; `resume` lets it try again, and everybody gets the message once, from their own sender."""
    ids = start(uploads, "c1", 120, stop=True)
    before = senders_by_recipient(drive, ids)
    accepted = [to for to, _, was_accepted in answered(drive, {NUMBERS[2]}) if was_accepted]
    assert sorted(to for to, sender in before.items() if sender != NUMBERS[2]) == sorted(accepted)
    assert uploads.completed("c1") is None
    assert "the number was not found" in uploads.fields("c1")[f"failed:{NUMBERS[2]}"]
    Campaign("c1", drive.state).resume()
    accepted += [to for to, _, was_accepted in answered(drive, set()) if was_accepted]
    assert sorted(before) == sorted(accepted)
    assert before == senders_by_recipient(drive, ids)


def test_a_sender_that_connects_for_ten_minutes_fails(drive: Drive, uploads: Uploads) -> None:
    """Until then it is asked again and again; a busy moment hands nobody over."""
    start(uploads, "c1", 30)
    for _ in range(3):
        hint = drive.grant_next()
        drive.begin_at_slot(hint)
        drive.settle(hint, BUSY)
    assert "failed" not in uploads.fields("c1")
    turns = 0
    while "failed" not in uploads.fields("c1") and turns < 2000:
        turns += 1
        hint = drive.grant_next()
        drive.begin_at_slot(hint)
        sender = field(drive, hint.id, "f") or NUMBERS[0]
        drive.settle(hint, replace(BUSY, delay_s=30.0) if sender == NUMBERS[0] else ACCEPTED)
    list(answered(drive, set()))
    assert 30 == uploads.counted("c1", "accepted")


def test_when_all_senders_fail_the_campaign_pauses(drive: Drive, uploads: Uploads) -> None:
    """And says why; what waits is kept."""
    start(uploads, "c1", 60, pool=POOL[:2])
    way = answered(drive, banned := set[str]())
    next(way)
    banned.update(NUMBERS[:1])
    for _ in range(20):
        next(way)
    banned.update(NUMBERS[:2])
    list(way)
    fields = uploads.fields("c1")
    settled = int(fields.get("accepted", 0)) + int(fields.get("rejected", 0))
    assert 60 == settled + int(fields["left"])


def test_a_cancelled_campaign_gives_back_what_every_sender_has(drive: Drive, uploads: Uploads) -> None:
    """The books close."""
    start(uploads, "c1", 200)
    way = answered(drive, set())
    for _ in range(10):
        next(way)
    uploads.control("cancel", "c1")
    uploads.settle_down()
    assert 200 == uploads.counted("c1", "accepted") + uploads.counted("c1", "cancelled")
    assert uploads.completed("c1") is not None


def test_where_the_other_number_left_the_pool_recipients_wait_and_cost_nothing(drive: Drive, uploads: Uploads) -> None:
    """Nobody takes them over, so nobody looks at them time and again; a number more takes them."""
    pair, alone = POOL[:2], as_field([replace(POOL[0]), replace(POOL[1], weight=0)])
    start(uploads, "c1", 200, pool=pair)
    drive.client.hset("paceline:{0}:c:c1", "fs", alone)
    while "failed" not in uploads.fields("c1"):
        drive.set_time(max(drive.now_us, drive.next_due_us() or 0))
        for hint in drive.grant().hints:
            if drive.begin_at_slot(hint)["s"] == "go":
                drive.settle(hint, BUSY if (field(drive, hint.id, "f") or NUMBERS[0]) == NUMBERS[0] else ACCEPTED)
    list(answered(drive, set(), stop_after=400))
    waiting = uploads.fields("c1")["left"]
    assert int(waiting) > 0
    due = drive.next_due_us()
    assert due is None or due > drive.now_us + 1_000_000
    uploads.open("c1", account="fast", sender=NUMBERS[0], fs=as_field(POOL[:3]))
    list(answered(drive, {NUMBERS[0]}))
    assert "0" == uploads.fields("c1")["left"]
    assert 200 == uploads.counted("c1", "accepted")


def test_a_refusal_that_is_told_twice_does_not_end_what_another_sender_tries(drive: Drive, uploads: Uploads) -> None:
    """An attempt was spent before; the reply to the verdict was lost, so the worker tells the verdict again."""
    [op] = start(uploads, "c1", 1, pool=POOL[:2])
    assert op == drive.deliver(OVERLOADED)
    hint = drive.grant_next()
    assert "go" == drive.begin_at_slot(hint)["s"]
    drive.set_time(hint.slot_us)
    assert "retry" == drive.settle(hint, GONE)
    assert "stale" == drive.settle(hint, GONE)
    assert "w" == drive.operation(op)["s"]
    assert op == drive.deliver(ACCEPTED)
