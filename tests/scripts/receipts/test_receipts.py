"""Receipts as state takes them: forward only, once each, early ones kept for their message, and nobody else's."""

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from paceline import names
from paceline.campaigns.campaign import progress_of
from paceline.operations import CreateGroup, DeleteMessage
from paceline.state.scripts import Script
from paceline.status.receipt import DeliveryReceipt, receipt_of
from paceline.times import instant
from paceline_worker.accounts.accounts import Accounts
from paceline_worker.receipts.state import Hooks
from tests.conftest import SENDER, add_account
from tests.properties.uploads import Uploads
from tests.support.drive import ABSENT, ACCEPTED, REJECTED, UNKNOWN, Drive

ROOT = names.STATE_ROOT
DIGEST = "d" * 64
UUID = "MSG1"  # of `ACCEPTED`
STATUSES = ("sent", "not_sent", "received", "read")
NONE = dict.fromkeys(STATUSES, 0)
EARLY_KEPT_S = 600
MOST_EARLY = 10_000


@pytest.fixture
def drive(drive: Drive) -> Drive:
    """With an account that takes receipts."""
    assert Hooks(drive.client).open("acme", DIGEST, instead_of="", shown=True)
    return drive


def run(drive: Drive, *arguments: str) -> Any:
    return Script("paceline_worker", "receipts").run(drive.client, *arguments)


def take(drive: Drive, *receipts: tuple[str, str] | tuple[str, str, int], account: str = "acme") -> Any:
    """Each is (uuid, status[, when]); what was done with each."""
    flat = [str(text) for one in receipts for text in (*one, "")[:3]]
    return run(drive, "take", account, DIGEST, *flat)


def receipt(drive: Drive, op: str) -> DeliveryReceipt | None:
    return receipt_of(drive.picture(op).operation)


def status(drive: Drive, op: str) -> str | None:
    found = receipt(drive, op)
    return found.status if found else None


def counts(drive: Drive, account: str = "acme") -> dict[str, int]:
    return {str(name): number for name, number in Hooks(drive.client).of(account).counts.items()}


def caught_up(drive: Drive) -> dict[str, str]:
    flat = run(drive, "caught up")
    return dict(zip(flat[::2], flat[1::2], strict=True))


def under_way(drive: Drive, **fields: Any) -> Any:
    """A message whose call is under way: its grant."""
    drive.send(**fields)
    hint = drive.grant_next()
    assert drive.begin_at_slot(hint)["s"] == "go"
    drive.set_time(hint.slot_us)
    return hint


@pytest.mark.parametrize("order", list(permutations(("sent", "received", "read"))))
def test_the_furthest_status_stays_whatever_the_order(drive: Drive, order: tuple[str, ...]) -> None:
    """Every one is noted with its time and counted once; a copy of it changes nothing."""
    op = drive.deliver_sent(ACCEPTED)
    times = {}
    for done in range(3):
        drive.advance(1)
        times[order[done]] = instant(drive.now_us)
        assert ["moved", *["known"] * done] == take(drive, *((UUID, name) for name in reversed(order[: done + 1])))
        furthest = max(order[: done + 1], key=STATUSES.index)
        assert furthest == status(drive, op)
    assert DeliveryReceipt("read", times["sent"], None, times["received"], times["read"]) == receipt(drive, op)
    assert NONE | {"sent": 1, "received": 1, "read": 1} == counts(drive)


@pytest.mark.parametrize(
    ("final", "expected", "told"),
    [
        ("not_sent", {"not_sent": 1}, ["not_sent"]),
        ("not_sent", {"not_sent": 1}, ["sent", "not_sent"]),
        ("not_sent", {"not_sent": 1}, ["not_sent", "sent"]),
        ("received", {"sent": 1, "received": 1}, ["not_sent", "received"]),
        ("received", {"sent": 1, "received": 1}, ["received", "not_sent"]),
        ("read", {"sent": 1, "received": 1, "read": 1}, ["not_sent", "read", "not_sent"]),
        ("read", {"sent": 1, "received": 1, "read": 1}, ["sent", "not_sent", "read", "received"]),
    ],
)
def test_who_has_received_it_was_sent_it(drive: Drive, final: str, expected: dict[str, int], told: list[str]) -> None:
    """Received or read win over a failure, before it and after it; the counts follow."""
    op = drive.deliver_sent(ACCEPTED)
    for name in told:
        take(drive, (UUID, name))
    assert final == status(drive, op)
    assert NONE | expected == counts(drive)
    assert ("d", "accepted") == (drive.operation(op)["s"], drive.operation(op)["oc"])
    assert 0 == drive.balance().unaccounted


@pytest.mark.parametrize("told_us", [0, 1, 999_999_999_999_999_999, -5])
def test_a_time_that_cannot_be_is_the_time_it_came(drive: Drive, told_us: int) -> None:
    """Before the message was accepted, or still to come. What can be is believed."""
    op = drive.deliver_sent(ACCEPTED)
    accepted_us = int(drive.operation(op)["t"])
    drive.advance(60)
    take(drive, (UUID, "sent", told_us), (UUID, "received", accepted_us + 7))
    found = receipt(drive, op)
    assert found is not None
    assert (instant(drive.now_us), instant(accepted_us + 7)) == (found.sent_at, found.received_at)


def test_receipts_of_others_messages_are_unknown(drive: Drive) -> None:
    """An account moves its own messages and no others, also those whose answer is not there yet."""
    add_account(drive.client, "other")
    drive.send("other", sender="+15550100009")
    theirs = drive.deliver(ACCEPTED)
    assert ["unknown"] * 2 == take(drive, (UUID, "read"), ("MSG2", "read"))
    drive.send("other", sender="+15550100009")
    hint = drive.grant_next()
    drive.begin_at_slot(hint)
    under_way(drive)
    assert ["early"] == take(drive, ("MSG3", "read"))
    drive.settle(hint, replace(ACCEPTED, uuid="MSG3"))
    assert (None, None) == (status(drive, theirs), status(drive, hint.id))
    assert NONE == counts(drive, "other") == counts(drive)


def test_what_is_no_message_has_no_receipts(drive: Drive) -> None:
    """A group's handle is no message's."""
    group = drive.submit(CreateGroup(account="acme", sender=SENDER, name="Team", participants=["+15550100002"]))
    assert group == drive.deliver(replace(ACCEPTED, uuid="WAG1"))
    assert ["unknown"] == take(drive, ("WAG1", "read"))
    assert status(drive, group) is None


def test_a_message_that_was_deleted_has_its_own_receipts(drive: Drive) -> None:
    """Its deletion has the same handle at the provider."""
    op = drive.deliver_sent(ACCEPTED)
    deletion = drive.submit(DeleteMessage(account="acme", sender=SENDER, message=op))
    assert deletion == drive.deliver(ACCEPTED)
    assert ["moved"] == take(drive, (UUID, "read"))
    assert ("read", None) == (status(drive, op), status(drive, deletion))


def test_the_wrong_token_takes_nothing(drive: Drive) -> None:
    """Another one, none, an old one, or one of an account that is not there."""
    op = drive.deliver_sent(ACCEPTED)
    hooks = Hooks(drive.client)
    for account, digest in (("acme", "e" * 64), ("acme", ""), ("nobody", DIGEST), ("nobody", "")):
        assert "forbidden" == run(drive, "take", account, digest, UUID, "read", "")
    assert not hooks.open("acme", "e" * 64, instead_of="", shown=True)
    assert hooks.open("acme", "e" * 64, instead_of=DIGEST, shown=False)
    assert "forbidden" == take(drive, (UUID, "read"))
    assert (True, False) == (hooks.close("acme"), hooks.close("acme"))
    assert "forbidden" == run(drive, "take", "acme", "", UUID, "read", "")
    assert status(drive, op) is None


def test_what_comes_before_the_answer_is_noted_with_it(drive: Drive) -> None:
    """With the time it came, once; and a receiver is told once what to count."""
    hint = under_way(drive)
    first = instant(drive.now_us)
    assert ["early"] * 3 == take(drive, (UUID, "sent"), (UUID, "sent"), ("MSG2", "read"))
    drive.advance(1)
    assert ["early", "early"] == take(drive, (UUID, "sent"), (UUID, "read"))
    assert status(drive, hint.id) is None
    drive.settle(hint, ACCEPTED)
    assert DeliveryReceipt("read", first, None, None, instant(drive.now_us)) == receipt(drive, hint.id)
    assert ["known", "known", "moved"] == take(drive, (UUID, "sent"), (UUID, "read"), (UUID, "received"))
    assert {"sent|acme": "1", "read|acme": "1"} == caught_up(drive)
    assert {} == caught_up(drive)
    assert NONE | {"sent": 1, "received": 1, "read": 1} == counts(drive)
    assert 1 == Hooks(drive.client).of("acme").early


def test_a_replayed_settle_counts_nothing_twice(drive: Drive) -> None:
    """A lost reply may be asked for again."""
    hint = under_way(drive)
    take(drive, (UUID, "sent"))
    assert ["accepted", "stale"] == [drive.settle(hint, ACCEPTED), drive.settle(hint, ACCEPTED)]
    assert {"sent|acme": "1"} == caught_up(drive)
    assert 1 == counts(drive)["sent"]


def test_receipts_wait_for_a_look_up(drive: Drive) -> None:
    """The outcome of an unknown call stays its look-up's; what came meanwhile is noted when the message is found."""
    op = drive.deliver_sent(UNKNOWN)
    assert ["early"] == take(drive, ("MSG7", "received"))
    assert "w" == drive.operation(op)["s"]
    drive.deliver(replace(ABSENT, uuids=("MSG7",)))
    assert ("accepted", "received") == (drive.operation(op)["oc"], status(drive, op))


def test_an_idle_account_keeps_nothing(drive: Drive) -> None:
    """Nothing is under way, so nothing can be early."""
    drive.deliver_sent(ACCEPTED)
    assert ["unknown"] == take(drive, ("MSG2", "sent"))
    assert 0 == drive.client.exists(f"{ROOT}:a:acme:er")


def test_early_ones_are_kept_for_ten_minutes(drive: Drive) -> None:
    """The key expires, and what is older does not count before that."""
    hint = under_way(drive)
    take(drive, (UUID, "sent"))
    assert 0 < drive.client.pttl(f"{ROOT}:a:acme:er") <= EARLY_KEPT_S * 1000
    drive.advance(EARLY_KEPT_S - 1)
    take(drive, (UUID, "received"))
    drive.advance(1)
    drive.settle(hint, ACCEPTED)
    found = receipt(drive, hint.id)
    assert found is not None
    assert (None, "received") == (found.sent_at, found.status)
    assert 0 == Hooks(drive.client).of("acme").early


def test_forged_ids_cannot_fill_the_memory(drive: Drive) -> None:
    """So many are kept, and the first ones go: the real one came last."""
    hint = under_way(drive)
    batch = 1000
    take(drive, ("MSG-first", "sent"))
    for start in range(0, MOST_EARLY + batch, batch):
        drive.advance(0.001)
        take(drive, *((f"MSG-forged-{number}", "read") for number in range(start, start + batch)))
    drive.advance(0.001)
    take(drive, (UUID, "sent"))
    assert MOST_EARLY == drive.client.zcard(f"{ROOT}:a:acme:er")
    drive.settle(hint, ACCEPTED)
    assert "sent" == status(drive, hint.id)


def test_an_operation_that_was_deleted_is_unknown(drive: Drive) -> None:
    """Its retention time is over, whether its handle is still known or not; no key comes back."""
    op = drive.deliver_sent(ACCEPTED)
    drive.client.delete(f"{ROOT}:o:{op}")
    assert ["unknown"] == take(drive, (UUID, "read"))
    drive.client.delete(f"{ROOT}:u:{UUID}")
    assert ["unknown"] == take(drive, (UUID, "read"))
    assert NONE == counts(drive)
    assert 0 == drive.client.exists(f"{ROOT}:o:{op}")


def test_a_receipt_leaves_an_operations_retention_alone(drive: Drive) -> None:
    """It is deleted when it would have been."""
    op = drive.deliver_sent(ACCEPTED)
    drive.client.pexpire(f"{ROOT}:o:{op}", 5000)
    take(drive, (UUID, "read"))
    assert 0 < drive.client.pttl(f"{ROOT}:o:{op}") <= 5000


def test_a_rejected_one_has_no_receipts(drive: Drive) -> None:
    """What came early is not noted for it: the provider did not give it a handle."""
    hint = under_way(drive)
    take(drive, (UUID, "sent"))
    drive.settle(hint, REJECTED)
    assert status(drive, hint.id) is None


def test_a_campaign_counts_its_own(drive: Drive) -> None:
    """Delivered, read and not sent; early ones, too."""
    uploads = Uploads(drive)
    ids = uploads.start("spring", 3)
    take_before = {"MSG0": "sent", "MSG1": "read", "MSG2": "not_sent"}
    for number, op in enumerate(ids):
        hint = drive.grant_next()
        assert (op, "go") == (hint.id, drive.begin_at_slot(hint)["s"])
        drive.set_time(hint.slot_us)
        uuid = f"MSG{number}"
        assert ["early"] == take(drive, (uuid, take_before[uuid]))
        drive.settle(hint, replace(ACCEPTED, uuid=uuid))
    take(drive, ("MSG0", "received"), ("MSG0", "received"))
    found = progress_of("spring", drive.campaign("spring"))
    assert (2, 2, 1, 1) == (found.sent, found.delivered, found.read, found.not_sent)
    assert counts(drive) == {"sent": 2, "not_sent": 1, "received": 2, "read": 1}


def test_an_account_takes_its_keys_with_it(drive: Drive) -> None:
    """Its counts, receipts that wait for messages, and receipts that no receiver has counted."""
    hint = under_way(drive)
    take(drive, (UUID, "sent"), ("MSG2", "sent"))
    drive.settle(hint, ACCEPTED)
    Accounts(drive.client).remove("acme")
    assert 0 == drive.client.exists(f"{ROOT}:a:acme:rc", f"{ROOT}:a:acme:er", f"{ROOT}:receipts")


def test_receipts_that_came_early_cost_settling_one_command_more(drive: Drive) -> None:
    """For ten minutes; where none come, a call of the script asks once."""

    def cost() -> int:
        hint = under_way(drive)
        drive.client.config_resetstat()
        drive.settle(hint, replace(ACCEPTED, uuid=hint.id))
        found = drive.client.info("commandstats")
        return sum(of["calls"] for name, of in found.items() if "eval" not in name)

    plain = [cost() for _ in range(3)]
    take(drive, (UUID, "sent"))
    hint = under_way(drive)
    take(drive, ("MSG2", "sent"))
    drive.settle(hint, ACCEPTED)
    busy = [cost() for _ in range(3)]
    assert [number + 1 for number in plain] == busy
    drive.advance(EARLY_KEPT_S)
    assert plain == [cost() for _ in range(3)]


def test_an_account_that_was_added_again_counts_nothing_of_its_namesake(drive: Drive) -> None:
    """Receipts of messages that the account of before sent: its counts are gone, so none could be taken back."""
    drive.deliver_sent(ACCEPTED)
    assert ["moved"] == take(drive, (UUID, "sent"))
    Accounts(drive.client).remove("acme")
    drive.advance(1)
    add_account(drive.client, "acme")
    assert Hooks(drive.client).open("acme", DIGEST, instead_of="", shown=True)
    assert ["unknown"] == take(drive, (UUID, "not_sent"))
    assert NONE == counts(drive)
