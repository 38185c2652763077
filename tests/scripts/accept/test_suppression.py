"""Suppression lists on a moved clock: acceptance, grant and begin look at them, and nobody else pays for them."""

from dataclasses import replace
from typing import Any

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from paceline import names
from paceline.errors import UnknownAccount
from paceline.flows.steps import Flow, run
from paceline.operations import CheckNumber, SendMessage
from paceline.recipients.numbers import forms_of
from paceline.suppression.lists import EVERY_ACCOUNT, adding, checking, paging, removing
from paceline_worker.accounts.accounts import Accounts
from tests.conftest import SENDER, add_account
from tests.properties.uploads import Uploads
from tests.support.drive import ACCEPTED, UNKNOWN, Drive

R = names.STATE_ROOT
ADA, BOB, CY = "+15550200001", "+15550200002", "+15550200003"
LISTED = "its recipient is on the suppression list of the account: wrote STOP"


def ask(drive: Drive, flow: Flow[Any]) -> Any:
    return run(flow, drive.state)


def suppress(drive: Drive, *numbers: str, account: str = "acme", reason: str = "wrote STOP") -> int:
    return int(ask(drive, adding(account, numbers, reason)))


def outcome(drive: Drive, op: str) -> tuple[str | None, str | None, str | None]:
    found = drive.operation(op)
    return found.get("oc"), found.get("cd"), found.get("le")


def upload(drive: Drive, *numbers: str) -> Uploads:
    """A whole campaign `spring` to these numbers."""
    uploads = Uploads(drive)
    uploads.open("spring")
    uploads.write("spring", [{"to": number} for number in numbers])
    uploads.seal("spring")
    return uploads


def test_a_suppressed_recipient_gets_nothing_at_acceptance(drive: Drive) -> None:
    """The operation has its outcome at once, in the books and in the streams, and waits in no lane."""
    suppress(drive, ADA)
    listed, free = drive.send(to=ADA), drive.send(to=BOB)
    assert ("suppressed", "listed", LISTED) == outcome(drive, listed)
    assert None is outcome(drive, free)[0]
    books = drive.balance()
    assert (2, 1, 1, 0) == (books.received, books.waiting, books.outcomes["suppressed"], books.unaccounted)
    entries: Any = drive.client.xrange(f"{R}:outcomes")
    assert [(listed, "suppressed", "listed", ADA)] == [
        (one["id"], one["outcome"], one["code"], one["to"]) for _, one in entries
    ]
    assert 0 < drive.client.pttl(f"{R}:o:{listed}") <= 3_600_000


def test_what_waits_ends_when_its_turn_comes(drive: Drive) -> None:
    """Suppressed after it was accepted: the grant passes it over, and the next one leaves at the same slot."""
    listed, free = drive.send(to=ADA), drive.send(to=BOB)
    suppress(drive, ADA)
    assert free == drive.grant_next().id
    assert ("suppressed", "listed", LISTED) == outcome(drive, listed)
    assert 0 == drive.balance().unaccounted


def test_what_is_granted_does_not_begin(drive: Drive) -> None:
    """Suppressed between grant and begin: no call is made, its slot goes back, and the next grant ends it."""
    listed = drive.send(to=ADA)
    hint = drive.grant_next()
    suppress(drive, ADA)
    drive.set_time(hint.slot_us)
    assert {"s": "no", "why": "suppressed", "account": "acme"} == drive.begin([hint])[0]
    free = drive.send(to=BOB)
    assert free == drive.grant_next().id
    assert "suppressed" == outcome(drive, listed)[0]
    assert 0 == drive.balance().unaccounted


def test_what_has_begun_is_not_taken_back(drive: Drive) -> None:
    """Its call may have been made, so its outcome is the provider's."""
    sent = drive.send(to=ADA)
    hint = drive.grant_next()
    drive.begin_at_slot(hint)
    suppress(drive, ADA)
    assert "accepted" == drive.settle(hint, ACCEPTED)
    assert "accepted" == outcome(drive, sent)[0]


def test_an_unknown_outcome_is_looked_up_all_the_same(drive: Drive) -> None:
    """The message may have arrived; only when it did not is it suppressed instead of sent again."""
    sent = drive.send(to=ADA)
    hint = drive.grant_next()
    drive.begin_at_slot(hint)
    assert "lookup" == drive.settle(hint, UNKNOWN)
    suppress(drive, ADA)
    look = drive.grant_next()
    drive.set_time(look.slot_us)
    assert "go" == drive.begin([look])[0]["s"]
    assert None is outcome(drive, sent)[0]


def test_one_that_is_exempt_leaves(drive: Drive) -> None:
    """Its reason is stored, and shown with its status."""
    suppress(drive, ADA)
    exempt = drive.send(to=ADA, exempt="password reset requested")
    hint = drive.grant_next()
    drive.set_time(hint.slot_us)
    assert "go" == drive.begin([hint])[0]["s"]
    assert ("password reset requested", "sending") == (
        drive.operation(exempt)["ex"],
        {"s": "sending"}[drive.operation(exempt)["s"]],
    )


@pytest.mark.parametrize("operation", ["check", "group"])
def test_what_writes_to_nobody_is_not_concerned(drive: Drive, operation: str) -> None:
    """A number check only reads, and a group is not a number."""
    suppress(drive, ADA)
    if operation == "check":
        op = drive.submit(CheckNumber(account="acme", sender=SENDER, number=ADA))
    else:
        op = drive.submit(
            SendMessage(account="acme", sender=SENDER, group="WAG11111111-2222-4333-8444-555555555555", text="x")
        )
    assert op == drive.grant_next().id


def test_the_list_of_all_accounts_holds_for_each(drive: Drive) -> None:
    """Also for an account that is added later."""
    suppress(drive, ADA, account=EVERY_ACCOUNT, reason="by law")
    add_account(drive.client, "later")
    for name in ("acme", "later"):
        op = drive.send(name, to=ADA)
        assert "its recipient is on the suppression list of all accounts: by law" == outcome(drive, op)[2]


def test_a_list_of_another_account_does_not_matter(drive: Drive) -> None:
    """Each account has its own."""
    add_account(drive.client, "other")
    suppress(drive, ADA, account="other")
    assert None is outcome(drive, drive.send(to=ADA))[0]


def test_a_campaign_of_suppressed_recipients_is_complete(drive: Drive) -> None:
    """At acceptance and in the middle of it: each row has one outcome, and the campaign ends."""
    suppress(drive, ADA)
    uploads = upload(drive, ADA, BOB, CY)
    suppress(drive, BOB)
    hint = drive.grant_next()
    assert CY == drive.operation(hint.id)["to"]
    drive.begin_at_slot(hint)
    drive.settle(hint, ACCEPTED)
    drive.grant()
    assert (3, 2, 1) == tuple(uploads.counted("spring", name) for name in ("written", "suppressed", "accepted"))
    assert drive.campaign().completed_at_us
    assert 0 == drive.balance().unaccounted


def test_a_campaign_is_complete_when_all_of_it_was_suppressed_at_acceptance(drive: Drive) -> None:
    """Nothing ever enters its lane."""
    suppress(drive, ADA, BOB)
    upload(drive, ADA, BOB)
    drive.grant()
    assert drive.campaign().completed_at_us
    entries: Any = drive.client.xrange(f"{R}:c:spring:out")
    assert ["suppressed", "suppressed", "complete"] == [one["outcome"] for _, one in entries]


def test_a_row_again_is_a_duplicate_and_not_suppressed_twice(drive: Drive) -> None:
    """Uploading goes on where it was interrupted, whatever became of the first rows."""
    suppress(drive, ADA)
    uploads = Uploads(drive)
    uploads.open("spring")
    uploads.write("spring", [{"to": ADA}])
    uploads.write("spring", [{"to": ADA}, {"to": BOB}])
    assert (1, 1, 2) == tuple(uploads.counted("spring", name) for name in ("suppressed", "duplicate", "written"))
    assert 0 == drive.balance().unaccounted


def test_who_is_taken_off_the_list_gets_what_waits(drive: Drive) -> None:
    """What ended as suppressed stays so, and the flag of the account goes with the last entry."""
    suppress(drive, ADA)
    gone = drive.send(to=ADA)
    assert 1 == ask(drive, removing("acme", [ADA]))
    assert not drive.client.hexists(f"{R}:a:acme", "sup")
    assert drive.send(to=ADA) == drive.grant_next().id
    assert "suppressed" == outcome(drive, gone)[0]


def test_an_entry_tells_since_when_and_why(drive: Drive) -> None:
    """The first reason stays; an account's own entry is told before that of all."""
    assert (1, 0) == (suppress(drive, ADA, reason="asked by phone"), suppress(drive, ADA, reason="again"))
    suppress(drive, ADA, BOB, account=EVERY_ACCOUNT)
    own, of_all = ask(drive, checking("acme", ADA)), ask(drive, checking("acme", BOB))
    assert (ADA, "acme", "asked by phone", drive.now) == (own.number, own.account, own.reason, own.since)
    assert (None, "wrote STOP") == (of_all.account, of_all.reason)
    assert None is ask(drive, checking("acme", CY))


def test_the_list_of_a_removed_account_stays(drive: Drive) -> None:
    """Whoever did not want messages of an account does not want those of its successor either."""
    suppress(drive, ADA)
    Accounts(drive.client).remove("acme")
    assert ask(drive, checking("acme", ADA))
    add_account(drive.client, "acme")
    assert "suppressed" == outcome(drive, drive.send(to=ADA))[0]
    Accounts(drive.client).remove("acme")
    assert 1 == ask(drive, removing("acme", [ADA]))
    with pytest.raises(UnknownAccount):
        suppress(drive, ADA)


def test_a_number_is_listed_in_all_its_forms(drive: Drive) -> None:
    """WhatsApp writes some numbers as they were before their country changed; one person is counted once."""
    assert 1 == suppress(drive, "+525512345678")
    assert "suppressed" == outcome(drive, drive.send(to="+5215512345678"))[0]
    assert 1 == ask(drive, removing("acme", ["+5215512345678"]))
    assert None is ask(drive, checking("acme", "+525512345678"))


@pytest.mark.parametrize(
    ("number", "other"),
    [
        ("+525512345678", "+5215512345678"),
        ("+541123456789", "+5491123456789"),
        ("+553187654321", "+5531987654321"),
        ("+22951234567", "+2290151234567"),
        ("+551132345678", None),
        ("+5511932345678", None),
        ("+15550100001", None),
    ],
)
def test_forms_of_a_number(number: str, other: str | None) -> None:
    """Each form knows the other; a fixed line of Brazil has none, nor has a mobile number that was never shorter."""
    assert (number, *([other] if other else [])) == forms_of(number)
    if other:
        assert (other, number) == forms_of(other)


@given(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True))
@settings(max_examples=300)
def test_forms_come_in_pairs(number: str) -> None:
    """Of any number: the forms of each form are the same ones."""
    assert {frozenset(forms_of(form)) for form in forms_of(number)} == {frozenset(forms_of(number))}


def test_the_flag_is_set_by_the_next_grant_when_a_receiver_may_not(drive: Drive) -> None:
    """A member of the timers index tells that the list of an account began, or ended; workers before it pass it over."""
    waiting = drive.send(to=ADA)
    drive.client.hset(f"{R}:sup:acme", ADA, "1764446400" + "1")
    drive.client.hset(f"{R}:supwhy:acme", mapping={"1": "wrote STOP", "=wrote STOP": "1"})
    drive.client.zadd(f"{R}:timers", {"=acme": 0})
    drive.go_to_next_due()
    drive.grant()
    assert "1" == drive.client.hget(f"{R}:a:acme", "sup")
    drive.advance(7)
    drive.grant()
    assert "suppressed" == outcome(drive, waiting)[0]
    drive.client.delete(f"{R}:sup:acme", f"{R}:supwhy:acme")
    drive.client.zadd(f"{R}:timers", {"=acme": 0})
    drive.grant()
    assert not drive.client.hexists(f"{R}:a:acme", "sup")


def test_pages_show_every_entry(drive: Drive) -> None:
    """As many runs as there are pages."""
    numbers = [f"+1555030{number:04}" for number in range(700)]
    assert 700 == suppress(drive, *numbers)
    cursor, seen = "0", set()
    while True:
        cursor, entries = ask(drive, paging("acme", cursor, 100))
        seen |= {entry.number for entry in entries}
        if cursor == "0":
            break
    assert set(numbers) == seen


def test_an_entry_takes_less_than_a_hundred_bytes(client: redis.Redis) -> None:
    """A hundred thousand numbers with a long reason, as the server counts them; a million are no different."""
    add_account(client, "acme")
    drive = Drive(client)
    numbers = [f"+55{10**10 + 7919 * number}" for number in range(100_000)]
    suppress(drive, *numbers, reason="imported from the list of the former provider, March")
    usage: Any = client.memory_usage(f"{R}:sup:acme", samples=0)
    assert usage / len(numbers) < 100
    client.delete(drive.clock_key)


def test_commands_of_operations(drive: Drive) -> None:
    """No command more without a list; with one, one more in each moment; with two, two."""

    def cost() -> list[int]:
        counts = []
        for step in ("accept", "grant", "begin"):
            drive.client.config_resetstat()
            if step == "accept":
                drive.send(to=ADA)
            elif step == "grant":
                drive.advance(7)
                (hint,) = drive.grant(budget_us=50_000).hints
            else:
                drive.begin([hint])
            stats: Any = drive.client.info("commandstats")
            ours = {name: of for name, of in stats.items() if "eval" not in name and name != "cmdstat_config|resetstat"}
            counts.append(sum(int(of["calls"]) for of in ours.values()))
        drive.settle(hint, replace(ACCEPTED, uuid=hint.id, health="good"))
        return counts

    cost()
    without = cost()
    suppress(drive, BOB)
    with_one = cost()
    suppress(drive, BOB, account=EVERY_ACCOUNT)
    assert [1, 1, 1] == [more - less for more, less in zip(with_one, without, strict=True)]
    assert [2, 2, 2] == [more - less for more, less in zip(cost(), without, strict=True)]
