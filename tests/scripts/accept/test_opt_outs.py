"""The receiver's side of suppression lists, on a moved clock: words put numbers on the list of their account, and take them off."""

from typing import Any

from paceline import names
from paceline.flows.steps import run
from paceline.recipients.numbers import forms_of
from paceline.state.scripts import Script
from paceline.suppression.lists import adding, checking, paging
from tests.support.drive import Drive

R = names.STATE_ROOT
ADA = "+15550200001"


def wrote(drive: Drive, way: str, at_us: int | None = None, number: str = ADA, digest: str = "digest") -> str:
    script = Script("paceline_worker", "receipts")
    script.run(drive.client, "open", "acme", "digest", "", "1")
    at = "" if at_us is None else str(at_us)
    word = {"out": "STOP", "in": "START"}[way]
    return str(script.run(drive.client, "wrote", "acme", digest, way, word, at, *forms_of(number)))


def listed(drive: Drive) -> tuple[int, str]:
    """Since when the number is on the list, in seconds, and why, as `check` and `list` tell it."""
    entry = run(checking("acme", ADA), drive.state)
    assert entry
    assert [entry] == run(paging("acme", "0"), drive.state)[1]
    return int(entry.since.timestamp()), entry.reason


def oc(drive: Drive, op: str) -> Any:
    return drive.operation(op).get("oc")


def test_a_word_stops_what_waits(drive: Drive) -> None:
    """The next grant knows that the account has a list, and ends the operation."""
    waiting = drive.send(to=ADA)
    assert "opted_out" == wrote(drive, "out")
    drive.advance(7)
    drive.grant()
    assert ("suppressed", "wrote STOP") == (oc(drive, waiting), drive.operation(waiting)["le"].rpartition(": ")[2])
    assert "suppressed" == oc(drive, drive.send(to=ADA))


def test_a_word_again_changes_nothing(drive: Drive) -> None:
    """Webhooks come more than once."""
    assert ["opted_out", "known"] == [wrote(drive, "out") for _ in range(2)]
    assert ["opted_in", "known"] == [wrote(drive, "in") for _ in range(2)]


def test_the_opposite_word_takes_the_number_off(drive: Drive) -> None:
    """All its forms, and the flag of the account with the last entry."""
    wrote(drive, "out", number="+525512345678")
    drive.grant()
    assert "1" == drive.client.hget(f"{R}:a:acme", "sup")
    assert "opted_in" == wrote(drive, "in", number="+5215512345678")
    drive.grant()
    assert not drive.client.hexists(f"{R}:a:acme", "sup")
    assert not drive.client.exists(f"{R}:sup:acme", f"{R}:supwhy:acme")


def test_an_old_word_does_not_undo_a_later_one(drive: Drive) -> None:
    """START, then STOP, then START delivered once more: the recipient said STOP last."""
    early = drive.now_us
    drive.advance(60)
    assert "opted_out" == wrote(drive, "out", drive.now_us)
    assert "known" == wrote(drive, "in", early)
    drive.advance(60)
    assert "opted_in" == wrote(drive, "in", drive.now_us)


def test_an_old_word_does_not_undo_one_that_was_repeated(drive: Drive) -> None:
    """STOP, START, STOP, and the START comes last: the number stays on the list, since the first STOP."""
    since = drive.now_us
    wrote(drive, "out", since)
    drive.advance(100)
    early = drive.now_us
    drive.advance(100)
    assert "known" == wrote(drive, "out", drive.now_us)
    assert "known" == wrote(drive, "in", early)
    assert (since // 1_000_000, "wrote STOP") == listed(drive)
    drive.advance(1)
    assert "opted_in" == wrote(drive, "in", drive.now_us)
    drive.grant()
    assert not drive.client.exists(f"{R}:sup:acme", f"{R}:supwhy:acme")


def test_an_old_word_does_not_undo_what_a_person_said_again(drive: Drive) -> None:
    """A number that somebody put on the list again stays there, under its first reason, for a START written before."""
    wrote(drive, "out", drive.now_us)
    drive.advance(100)
    early = drive.now_us
    drive.advance(100)
    for _ in range(2):
        assert 0 == run(adding("acme", [ADA], "asked by phone"), drive.state)
        drive.advance(1)
    assert "known" == wrote(drive, "in", early)
    assert "wrote STOP" == listed(drive)[1]
    assert "opted_in" == wrote(drive, "in", drive.now_us)


def test_a_time_to_come_counts_as_now(drive: Drive) -> None:
    """What no clock can have said does not keep a number on the list for years."""
    wrote(drive, "out", drive.now_us + 10**15)
    drive.advance(1)
    assert "opted_in" == wrote(drive, "in")


def test_a_stranger_changes_no_list(drive: Drive) -> None:
    """The token is compared in the same step."""
    assert "forbidden" == wrote(drive, "out", digest="another")
    assert not drive.client.exists(f"{R}:sup:acme")
