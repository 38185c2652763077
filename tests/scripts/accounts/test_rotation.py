"""An account gets another key while it works."""

from dataclasses import replace

import pytest

from paceline.errors import ConfigurationError, InvalidOperation, UnknownAccount
from paceline_worker.accounts.accounts import AccountRefused, Accounts
from paceline_worker.accounts.info import Info
from paceline_worker.accounts.secrets import ApiKey, KeyRing
from tests.conftest import SECRET
from tests.support.drive import ACCEPTED, BAD_KEY, UNPAID, Drive
from tests.support.stored import stored_account

OTHER_SECRET = "B" * 43 + "="
RING = KeyRing(SECRET)
SPACING_US = 6_100_000


def rotate(drive: Drive, key: str | None = "NEW-KEY", ring: KeyRing = RING) -> None:
    Accounts(drive.client).rotate("acme", ApiKey(key) if key else None, ring=ring)


def stored(drive: Drive, ring: KeyRing = RING) -> tuple[str, int]:
    found = stored_account(drive.client, "acme")
    text, version = found["key"], found["key_version"]
    return ring.decrypt(str(text), "acme", int(str(version))).reveal(), int(str(version))


def suspended(drive: Drive) -> str | None:
    found = drive.client.hget("paceline:{0}:a:acme", "suspended")
    return None if found is None else str(found)


def test_the_next_call_is_made_with_the_new_key(drive: Drive) -> None:
    """Of an operation that waited since before; its place and its books are untouched."""
    first, second = drive.send(), drive.send()
    _, before = stored(drive)
    rotate(drive)
    key, version = stored(drive)
    assert ("NEW-KEY", True) == (key, version > before)
    hint = drive.grant_next()
    begun = drive.begin_at_slot(hint)
    assert (first, str(version)) == (hint.id, begun["key_version"])
    drive.settle(hint, ACCEPTED)
    assert second == drive.deliver(ACCEPTED)


def test_a_refusal_of_the_old_key_says_nothing_about_the_new_one(drive: Drive) -> None:
    """The call that was under way leaves again with the new key; the account is not suspended."""
    op = drive.send()
    hint = drive.grant_next()
    old = drive.begin_at_slot(hint)["key_version"]
    rotate(drive)
    assert "outdated" == drive.settle(hint, replace(BAD_KEY, key_version=old))
    assert suspended(drive) is None
    assert op == drive.deliver(ACCEPTED)
    drive.send()
    hint = drive.grant_next()
    new = drive.begin_at_slot(hint)["key_version"]
    assert "deferred" == drive.settle(hint, replace(BAD_KEY, key_version=new))
    assert suspended(drive) is not None


def test_a_refusal_of_info_with_the_old_key_neither(drive: Drive) -> None:
    """Only one of the key that is there suspends."""
    _, old = stored(drive)
    rotate(drive)
    suspend = drive._account  # noqa: SLF001
    assert "changed" == suspend.run(drive.client, "suspend", "acme", "bad_key (401)", old)
    assert suspended(drive) is None
    assert "done" == suspend.run(drive.client, "suspend", "acme", "bad_key (401)", stored(drive)[1])
    assert suspended(drive) is not None


@pytest.mark.parametrize(
    ("words", "new", "same"),
    [
        ("bad_key (401): Invalid API Key", True, False),
        (f"bad_key: {'the API key of account acme cannot be decrypted: PACELINE_SECRET_KEY differs'}", True, True),
        (UNPAID.words, False, False),
        ("number under review", False, False),
    ],
)
def test_what_a_rotation_resumes(drive: Drive, words: str, new: bool, same: bool) -> None:
    """A new key, what the old one was refused for; the same one encrypted again, that it could not be decrypted."""
    for key, expected in (("NEW-KEY", new), (None, same)):
        op = drive.send()
        Accounts(drive.client).suspend("acme", words)
        rotate(drive, key)
        assert expected is (suspended(drive) is None)
        if expected:
            assert op == drive.deliver(ACCEPTED)
        Accounts(drive.client).resume("acme")
        while drive.balance().waiting:
            drive.deliver(ACCEPTED)


def test_the_first_call_with_a_new_key_keeps_its_distance_from_the_question_whether_it_works(drive: Drive) -> None:
    """The command line has just made a call with it. The same key, encrypted again, changes nothing."""
    drive.advance(60)
    drive.send()
    rotate(drive, None)
    assert drive.now_us + SPACING_US > drive.grant_next().slot_us
    drive.advance(60)
    drive.send(sender="+15550100002")
    rotated = drive.now_us
    rotate(drive)
    assert rotated + SPACING_US <= drive.grant_next().slot_us


def test_no_minute_holds_more_calls_with_the_new_key_than_it_allows(drive: Drive) -> None:
    """The question whether it works among them; a slot granted before the rotation is begun with the new key, too."""
    drive.advance(60)
    for number in range(12):
        drive.send(sender=f"+155501000{number:02d}")
    hint = drive.grant_next()
    calls = [drive.now_us]
    rotate(drive)
    assert hint.slot_us > drive.now_us
    for number in range(11):
        assert str(stored(drive)[1]) == drive.begin_at_slot(hint)["key_version"]
        drive.set_time(hint.slot_us)
        drive.settle(hint, replace(ACCEPTED, uuid=f"MSG{number}"))
        calls.append(hint.slot_us)
        hint = drive.grant_next()
    assert 10 >= max(sum(first <= at < first + 60_000_000 for at in calls) for first in calls)


def test_the_figures_of_the_new_key_are_read_soon(drive: Drive) -> None:
    """Its limit and credits may be others; the same key, encrypted again, has the same."""
    Accounts(drive.client).remove("acme")
    Accounts(drive.client).add("acme", ApiKey("OLD-KEY"), ring=RING, rates="10/minute", info=Info(per_minute=10))
    rotate(drive, None)
    assert drive.now_us + 600_000_000 < int(str(drive.client.hget("paceline:{0}:a:acme", "info_at")))
    rotate(drive)
    rotated = drive.now_us
    assert drive.info_turn().slot_us < rotated + 2 * SPACING_US + 1_000_000


def test_the_newest_secret_encrypts(drive: Drive) -> None:
    """So that the old one can be given up; the key stays what it is."""
    key, before = stored(drive)
    rotate(drive, None, KeyRing(f"{OTHER_SECRET},{SECRET}"))
    again, version = stored(drive, KeyRing(OTHER_SECRET))
    assert (key, True) == (again, version > before)


def test_two_at_once_do_not_undo_each_other(drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that read an older key is told so."""
    accounts = Accounts(drive.client)
    encrypt = KeyRing.encrypt

    def meanwhile(ring: KeyRing, key: ApiKey, account: str, version: int) -> str:
        monkeypatch.setattr(KeyRing, "encrypt", encrypt)
        rotate(drive, "FIRST-KEY")
        return encrypt(ring, key, account, version)

    monkeypatch.setattr(KeyRing, "encrypt", meanwhile)
    with pytest.raises(AccountRefused, match="changed meanwhile"):
        accounts.rotate("acme", ApiKey("SECOND-KEY"), ring=RING)
    assert "FIRST-KEY" == stored(drive)[0]


def test_what_cannot_be_is_refused_and_changes_nothing(drive: Drive) -> None:
    """An unknown account, no key, a key under another secret."""
    before = stored_account(drive.client, "acme")
    accounts = Accounts(drive.client)
    with pytest.raises(UnknownAccount):
        accounts.rotate("nobody", ApiKey("NEW-KEY"), ring=RING)
    with pytest.raises(InvalidOperation, match="API key"):
        accounts.rotate("acme", ApiKey("new\nkey"), ring=RING)
    with pytest.raises(ConfigurationError, match="cannot be decrypted"):
        accounts.rotate("acme", None, ring=KeyRing(OTHER_SECRET))
    assert before == stored_account(drive.client, "acme")
