"""Another secret: everything encrypted under the old one is encrypted under the new one, once and without a command."""

import pytest
import redis

from paceline.errors import ConfigurationError
from paceline_worker.accounts.accounts import AccountRefused, Accounts
from paceline_worker.accounts.rotation import Rotation, RotationRefused, tell_secrets
from paceline_worker.accounts.secrets import ApiKey, KeyRing
from paceline_worker.hooks import secrets as hook_secrets
from paceline_worker.hooks.hook import make
from paceline_worker.hooks.state import HookBook
from paceline_worker.integrity.stored import StoredSeals
from paceline_worker.state.clock import ServerClock
from paceline_worker.state.values import Beat
from paceline_worker.state.worker import WorkerState
from tests.conftest import SECRET, add_account
from tests.support.stored import stored_account

NEW = "B" * 43 + "="
OLD, BOTH, ONLY_NEW = KeyRing(SECRET), KeyRing(f"{NEW},{SECRET}"), KeyRing(NEW)


def opened(client: redis.Redis, ring: KeyRing, name: str) -> str:
    found = stored_account(client, name)
    return ring.decrypt(str(found["key"]), name, int(str(found["key_version"]))).reveal()


def test_everything_comes_under_the_newest(client: redis.Redis) -> None:
    """Keys, their digests and the key of the seals; the versions stay, so no worker asks again."""
    for number in range(5):
        add_account(client, f"a{number}")
    seals = StoredSeals(client, OLD).open()
    before = [stored_account(client, f"a{number}")["key_version"] for number in range(5)]
    rotation = Rotation(client, BOTH)
    assert (0, 6, False) == (rotation.standing().newest, rotation.standing().older, rotation.standing().is_complete)
    assert 6 == rotation.run()
    assert (6, 0, True) == (rotation.standing().newest, rotation.standing().older, rotation.standing().is_complete)
    assert 0 == rotation.run()
    assert [f"KEY-a{number}" for number in range(5)] == [opened(client, ONLY_NEW, f"a{number}") for number in range(5)]
    assert before == [stored_account(client, f"a{number}")["key_version"] for number in range(5)]
    assert seals.floor("a0", 1) == StoredSeals(client, ONLY_NEW).open().floor("a0", 1)
    with pytest.raises(ConfigurationError):
        opened(client, OLD, "a0")
    with pytest.raises(AccountRefused, match="API key is that of account 'a3'"):  # the digests are new as well
        Accounts(client).add("twin", ApiKey("KEY-a3"), ring=ONLY_NEW, rates="1/minute")


def test_secrets_of_hooks_come_along(client: redis.Redis) -> None:
    """Webhooks out go on to be signed with the same secrets."""
    book, secret = HookBook(client), hook_secrets.Secrets("whsec_AAAA")
    about = make("https://example.com/in", ["acme"], ["settled"], with_recipients=False, allow_private=False)
    book.add("hook-1", about, hook_secrets.seal(OLD, "hook-1", 0, secret))
    assert 1 == Rotation(client, BOTH).run()
    stored = book.one("hook-1")
    assert secret == hook_secrets.unseal(ONLY_NEW, "hook-1", stored.serial, book.secrets("hook-1"))
    assert 0 == Rotation(client, BOTH).run()


def test_an_interrupted_one_goes_on(client: redis.Redis) -> None:
    """At each of its steps: with both secrets everything can be opened meanwhile, and what is done stays done."""
    for number in range(3):
        add_account(client, f"a{number}")
    StoredSeals(client, OLD).open()
    about = make("https://example.com/in", ["a0"], ["settled"], with_recipients=False, allow_private=False)
    HookBook(client).add("hook-1", about, hook_secrets.seal(OLD, "hook-1", 0, hook_secrets.Secrets("whsec_AAAA")))

    def end(done: int) -> None:
        if done == 1:
            raise KeyboardInterrupt

    for step in range(1, 6):
        with pytest.raises(KeyboardInterrupt):
            Rotation(client, BOTH).run(end)
        standing = Rotation(client, BOTH).standing()
        assert (step, 5 - step) == (standing.newest, standing.older)
        assert [f"KEY-a{number}" for number in range(3)] == [opened(client, BOTH, f"a{number}") for number in range(3)]
        assert StoredSeals(client, BOTH).seen()

    assert 0 == Rotation(client, BOTH).run()
    assert Rotation(client, BOTH).standing().is_complete
    assert StoredSeals(client, ONLY_NEW).seen()


def test_a_worker_without_the_newest_is_in_the_way(client: redis.Redis) -> None:
    """One that says so, and one of an earlier release, which says nothing; nothing is changed."""
    add_account(client, "acme")
    tell_secrets(client, "with both", BOTH, 60)
    assert 1 == Rotation(client, BOTH).standing().workers
    tell_secrets(client, "with the old one", OLD, 60)
    with pytest.raises(RotationRefused, match="1 live workers do not have the newest secret"):
        Rotation(client, BOTH).run()
    assert "KEY-acme" == opened(client, OLD, "acme")
    tell_secrets(client, "with the old one", OLD, 0)  # gone
    worker = WorkerState("redis://127.0.0.1:1", ServerClock(), retention_s=60, grace_s=15)
    worker.client.close()
    worker.client = client
    worker.heartbeat("of an earlier release", Beat(10, 10), 60.0)
    assert ("of an earlier release",) == Rotation(client, BOTH).standing().behind
    worker.leave("of an earlier release")
    assert 1 == Rotation(client, BOTH).run()
    assert 0 == client.hlen("paceline:{0}:seals")


def test_a_key_that_nobody_can_open_is_told_of(client: redis.Redis) -> None:
    """The others come under the newest all the same."""
    add_account(client, "acme")
    add_account(client, "broken")
    client.hset("paceline:{0}:secret:broken", "key", "A" * 80)
    assert 1 == Rotation(client, BOTH).run()
    assert ("broken",) == Rotation(client, BOTH).standing().unreadable
    assert not Rotation(client, BOTH).standing().is_complete


def test_a_key_that_was_exchanged_meanwhile_stays(client: redis.Redis) -> None:
    """Whoever rotates an account's key at that moment has the last word."""
    add_account(client, "acme")
    add_account(client, "other")

    def meanwhile(done: int) -> None:
        if done == 0:
            Accounts(client).rotate("acme", ApiKey("ANOTHER"), ring=BOTH)

    Rotation(client, BOTH).run(meanwhile)
    assert "ANOTHER" == opened(client, ONLY_NEW, "acme")
