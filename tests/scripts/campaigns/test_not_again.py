"""Nobody twice: excluded campaigns, recipients who had a message lately, and the recipient cap, on a moved clock."""

import json
from datetime import timedelta
from typing import Any

import pytest

from paceline import names
from paceline.campaigns.excluding import EXCLUDED_IDS, Exclusions
from paceline.campaigns.options import CampaignOptions
from paceline.campaigns.recipients import Encoder, numbered
from paceline.errors import InvalidOperation
from paceline.ids import new_id
from paceline.inbox.record import chunk
from paceline.state import questions
from paceline_worker.accounts.accounts import Accounts
from tests.conftest import SENDER
from tests.properties.uploads import Uploads
from tests.support.drive import ACCEPTED, REJECTED, Drive

R = names.STATE_ROOT
ADA, BOB, CY = "+15550200001", "+15550200002", "+15550200003"
WEEK = timedelta(weeks=1)


def upload(drive: Drive, name: str, *rows: dict[str, str], leave_out: tuple[str, ...] = (), **options: Any) -> Uploads:
    """A whole campaign, accepted."""
    uploads, exclusions = Uploads(drive), Exclusions(leave_out)
    assert "opened" == uploads.open(name, options=CampaignOptions(**options).texts(drive.now))
    encoder = Encoder(name)
    encoded = [encoder(row, now=drive.now) for row in numbered(rows)]
    encoded = [fields | exclusions.of(fields) for fields in encoded]
    rid, body = new_id(), chunk(campaign=name, account="acme", sender=SENDER, priority="bulk", rows=encoded)
    drive.state.submit(rid, "acme", SENDER, len(encoded), body, campaign=name)
    drive.worker.accept([rid])
    uploads.offered[name] = len(encoded)
    uploads.seal(name)
    return uploads


def reached(drive: Drive, verdict: Any = ACCEPTED) -> list[str]:
    """Whoever gets a call until nothing is due."""
    ops = Uploads(drive).settle_down(turns=200, verdict=verdict)
    numbers = [drive.operation(op)["to"] for op in ops]
    assert 0 == drive.balance().unaccounted
    return numbers


def codes(drive: Drive, name: str) -> list[tuple[str, str, str]]:
    """Recipient, outcome and code of each entry of a campaign's stream."""
    told = Uploads(drive).told(name)
    return [(one["to"], one["outcome"], one["code"]) for one in told if one["kind"] != "campaign"]


def remember(drive: Drive, *, recipient_cap: str | None = None, remember: str | None = None) -> None:
    Accounts(drive.client).change("acme", recipient_cap=recipient_cap, remember=remember)


def test_whoever_another_campaign_reached_is_left_out(drive: Drive) -> None:
    """Who waits there is as well; who was refused there is not."""
    upload(drive, "first", {"to": ADA})
    assert [ADA] == reached(drive)
    upload(drive, "refused", {"to": BOB})
    assert [BOB] == reached(drive, REJECTED)
    upload(drive, "waiting", {"to": CY})
    drive.state.control_campaign("pause", "waiting", "by hand")
    others = ("first", "refused", "waiting")
    upload(drive, "second", {"to": ADA}, {"to": BOB}, {"to": CY}, {"to": "+15550200004"}, leave_out=others)
    assert [(ADA, "suppressed", "campaign"), (CY, "suppressed", "campaign")] == codes(drive, "second")
    assert "its recipient is in campaign first, which this one leaves out" == Uploads(drive).told("second")[0]["words"]
    assert [BOB, "+15550200004"] == reached(drive)


def test_recipients_are_the_same_by_key_or_by_number(drive: Drive) -> None:
    """A customer with another number is found by the key; one without a key by the number; ids are not kept."""
    upload(drive, "first", {"to": ADA, "key": "c-1"}, {"to": BOB})
    reached(drive)
    rows = ({"to": CY, "key": "c-1"}, {"to": BOB, "key": "c-2"}, {"to": ADA, "key": "c-3"})
    upload(drive, "second", *rows, leave_out=("first",))
    assert {CY, BOB} == {to for to, _, _ in codes(drive, "second")}
    assert [ADA] == reached(drive)
    stored: Any = list(drive.client.scan_iter("*:o:*"))
    assert not any(drive.client.hexists(key, EXCLUDED_IDS) for key in stored)


@pytest.mark.parametrize("key", ["c-1", "+1 555 020 0009", "+c-1", "+15550200009", ADA])
def test_a_recipient_is_found_by_any_key(drive: Drive, key: str) -> None:
    """A key that only looks like a number is a key like any other, and a key that is one is not that number's recipient."""
    upload(drive, "first", {"to": ADA, "key": key})
    reached(drive)
    upload(drive, "second", {"to": CY, "key": key}, {"to": "+15550200009", "key": "c-9"}, leave_out=("first",))
    assert [(CY, "suppressed", "campaign")] == codes(drive, "second")
    assert ["+15550200009"] == reached(drive)


def test_nobody_twice_within_a_time(drive: Drive) -> None:
    """Two campaigns that wait together: the second one passes over whom the first one wrote to, until the time is over."""
    remember(drive, remember="7d")
    upload(drive, "first", {"to": ADA}, {"to": BOB})
    upload(drive, "second", {"to": ADA}, {"to": CY}, not_within="7d")
    assert sorted([ADA, BOB, CY]) == sorted(reached(drive))
    assert [(ADA, "suppressed", "recent")] == [one for one in codes(drive, "second") if one[1] == "suppressed"]
    drive.advance(WEEK.total_seconds())
    upload(drive, "third", {"to": ADA}, not_within="7d")
    assert [ADA] == reached(drive)


def test_a_message_that_was_refused_does_not_count(drive: Drive) -> None:
    """Its recipient has had nothing; so has one whose grant was given back."""
    remember(drive, remember="7d")
    upload(drive, "first", {"to": ADA})
    assert [ADA] == reached(drive, REJECTED)
    assert not drive.client.hexists(f"{R}:had:acme", ADA)
    upload(drive, "second", {"to": ADA}, not_within="7d")
    hint = drive.grant_next()
    drive.worker.give_back([hint], "the worker stops")
    assert [ADA] == reached(drive)


def test_a_recipient_cap_counts_bulk_messages_of_a_time(drive: Drive) -> None:
    """Transactional ones neither count nor are held back; an old one makes room."""
    remember(drive, recipient_cap="2/week")
    for number in range(3):
        upload(drive, f"c{number}", {"to": ADA})
        drive.advance(3600)
        assert [ADA] * (number < 2) == reached(drive)
    assert [(ADA, "suppressed", "cap")] == codes(drive, "c2")
    drive.send(to=ADA)
    assert [ADA] == reached(drive)
    drive.advance(WEEK.total_seconds())
    upload(drive, "later", {"to": ADA})
    assert [ADA] == reached(drive)


def test_single_bulk_messages_count_as_well(drive: Drive) -> None:
    """The cap is the account's, whatever sends."""
    remember(drive, recipient_cap="1/day")
    ops = [drive.send(to=ADA, priority="bulk") for _ in range(2)]
    assert [ADA] == reached(drive)
    assert ["accepted", "suppressed"] == [drive.operation(op)["oc"] for op in ops]


def test_what_is_remembered_ends(drive: Drive) -> None:
    """Two hashes take turns, both expire, and without a cap or a memory nothing is kept."""
    remember(drive, recipient_cap="2/day", remember="2d")
    upload(drive, "first", {"to": ADA})
    reached(drive)
    keys = [f"{R}:had:acme", f"{R}:had:acme:old"]
    assert 0 < drive.client.pttl(keys[0]) <= 4 * 86_400_000
    drive.advance(2.5 * 86_400)
    upload(drive, "second", {"to": BOB})
    reached(drive)
    assert [[BOB], [ADA]] == [list(drive.client.hkeys(key)) for key in keys]
    assert 0 < drive.client.pttl(keys[1]) <= 2 * 86_400_000
    remember(drive, recipient_cap="", remember="")
    assert 0 == drive.client.exists(*keys)
    assert not drive.client.hexists(f"{R}:a:acme", "remember")


@pytest.mark.parametrize("verb", ["open", "change"])
def test_a_campaign_cannot_ask_for_more_than_is_remembered(drive: Drive, verb: str) -> None:
    """It would pass over nobody, and nobody would notice."""
    options = CampaignOptions(not_within="7d").texts(drive.now)
    uploads = Uploads(drive)
    if verb == "open":
        assert "no memory" == uploads.open("spring", options=options)
        assert not drive.client.exists(f"{R}:c:spring")
    else:
        uploads.open("spring")
        assert "no memory" == drive.state.control_campaign("change", "spring", json.dumps(options))
    remember(drive, remember="7d")
    assert uploads.open("spring", options=options) in ("opened", "continued")


def test_a_plan_says_who_would_be_left_out(drive: Drive) -> None:
    """By the same rules, and nothing is written."""
    remember(drive, recipient_cap="1/day", remember="7d")
    upload(drive, "first", {"to": ADA})
    reached(drive)
    drive.advance(3600)
    encoder = Encoder("second")
    exclusions = Exclusions(["first"])
    fields = [encoder(row, now=drive.now) for row in numbered([{"to": ADA}, {"to": BOB}])]
    week = str(WEEK // timedelta(microseconds=1))

    def asked(silence: str, *, excluded: bool) -> list[str]:
        rows = [(one["to"], exclusions.of(one)[EXCLUDED_IDS] if excluded else "") for one in fields]
        return drive.state.ask(questions.left_out("acme", silence, rows))

    assert ["campaign", ""] == asked(week, excluded=True)
    assert ["recent", ""] == asked(week, excluded=False)
    assert ["cap", ""] == asked("", excluded=False)


@pytest.mark.parametrize(
    ("cap", "expected"),
    [("2/week", "2:604800000000"), ("1 / 3 days", "1:259200000000"), ("20/month", "20:2592000000000"), ("", "")],
)
def test_recipient_caps_are_read(cap: str, expected: str) -> None:
    """A number of messages in a time."""
    from paceline_worker.accounts.account import cap_text  # noqa: PLC0415 - beside its test

    assert expected == cap_text(cap)


@pytest.mark.parametrize("cap", ["0/week", "21/week", "2", "2/fortnight", "2/13months", "-1/day", "1.5/day"])
def test_what_is_no_recipient_cap_is_refused(drive: Drive, cap: str) -> None:
    """Nothing is changed."""
    with pytest.raises(InvalidOperation, match="recipient_cap: "):
        remember(drive, recipient_cap=cap)
    assert not drive.client.hexists(f"{R}:a:acme", "rcap")


@pytest.mark.parametrize("span", ["7", "7 days", "0d", "400d", "-1d", "1y"])
def test_what_is_no_span_is_refused(span: str) -> None:
    """In words that show the form."""
    with pytest.raises(InvalidOperation, match="not_within: is not a span of time such as 12h, 7d or 2w"):
        CampaignOptions(not_within=span)
