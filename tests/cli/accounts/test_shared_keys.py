"""One API key under two names would be two buckets, and twice what the provider allows."""

from pathlib import Path

import pytest
import redis

from paceline_sandbox.embedded import EmbeddedServer
from tests.cli.conftest import API_KEY, Cli, one_shard, stored_key

REFUSED = "this API key is that of account 'acme'"
LIMITED = ("--limit", "10/minute", "--no-info")


@pytest.fixture(autouse=True)
def acme(cli: Cli) -> None:
    assert 0 == cli("accounts", "add", "acme", *LIMITED, stdin=API_KEY).code


def forget_digests(client: redis.Redis, *accounts: str) -> None:
    """As state was before there were digests."""
    client.delete("paceline:{0}:keys")
    for name in accounts:
        client.hdel(f"paceline:{{0}}:secret:{name}", "digest")


@one_shard
def test_a_second_name_for_a_key_is_refused(cli: Cli, client: redis.Redis) -> None:
    """One sentence says which account has it; nothing of the key is told, and nothing is added."""
    sentence = cli("accounts", "add", "beta", *LIMITED, stdin=API_KEY).refusal()
    assert REFUSED in sentence
    assert API_KEY not in sentence
    assert ["acme"] == list(client.smembers("paceline:{0}:accounts"))
    assert all(
        API_KEY not in str(client.hgetall(name))
        for name in ("paceline:{0}:keys", "paceline:{0}:a:acme", "paceline:{0}:secret:acme")
    )


def test_a_rotation_cannot_share_a_key_either(cli: Cli, server: EmbeddedServer) -> None:
    """The other account keeps the key it has; a key of its own is taken, and the same one again is no change."""
    cli("accounts", "add", "beta", *LIMITED, stdin="another")
    assert REFUSED in cli("accounts", "rotate", "beta", "--no-info", stdin=API_KEY).refusal()
    assert "another" == stored_key(server, "beta")
    assert 0 == cli("accounts", "rotate", "acme", "--no-info", stdin=API_KEY).code


def test_a_key_is_free_again_when_its_account_is_removed_or_has_another(cli: Cli) -> None:
    """What was rotated away and what was removed may be added."""
    assert 0 == cli("accounts", "rotate", "acme", "--no-info", stdin="another").code
    assert 0 == cli("accounts", "add", "beta", *LIMITED, stdin=API_KEY).code
    assert 0 == cli("accounts", "remove", "beta").code
    assert 0 == cli("accounts", "add", "gamma", *LIMITED, stdin=API_KEY).code


@pytest.mark.parametrize("dry_run", [["--dry-run"], []])
def test_an_import_refuses_the_row_and_does_the_others(cli: Cli, tmp_path: Path, dry_run: list[str]) -> None:
    """A dry run says so before."""
    book = tmp_path / "accounts.csv"
    book.write_text(f"name,key,limit\nbeta,{API_KEY},10/minute\ngamma,its-own,10/minute\n")
    answer = cli("accounts", "import", str(book), "--no-info", *dry_run)
    assert (1, True) == (answer.code, " 1 " in answer.out and "failed" in answer.out)
    assert f"row 2 (beta): key: {REFUSED}" in answer.err
    assert API_KEY not in answer.err


def test_an_account_of_before_there_were_digests_is_known_too(cli: Cli, client: redis.Redis) -> None:
    """Its key is decrypted once, by whoever adds the next account."""
    forget_digests(client, "acme")
    assert REFUSED in cli("accounts", "add", "beta", *LIMITED, stdin=API_KEY).refusal()


@one_shard
def test_accounts_that_share_a_key_already_are_told_of_once(cli: Cli, client: redis.Redis) -> None:
    """They go on; the next addition says that they are two."""
    forget_digests(client, "acme")
    client.hset("paceline:{0}:keys", "?acme", "acme")
    assert 0 == cli("accounts", "add", "beta", *LIMITED, stdin=API_KEY).code
    forget_digests(client, "acme", "beta")
    said = [cli("accounts", "add", name, *LIMITED, stdin=f"key of {name}") for name in ("gamma", "delta")]
    assert [(0, 1), (0, 0)] == [(answer.code, len(answer.err.splitlines())) for answer in said]
    assert all(word in said[0].err for word in ("'acme'", "'beta'", "the same API key"))


@one_shard
def test_accounts_that_share_a_key_already_can_be_encrypted_anew(cli: Cli, client: redis.Redis) -> None:
    """A secret can be retired all the same."""
    client.delete("paceline:{0}:keys")
    client.hset("paceline:{0}:keys", "?acme", "acme")
    assert 0 == cli("accounts", "add", "beta", *LIMITED, stdin=API_KEY).code
    answer = cli("accounts", "rotate", "--same-key")
    assert (0, "2 keys encrypted again.\n") == (answer.code, answer.out)
    assert REFUSED.replace("acme", "beta") in cli("accounts", "add", "gamma", *LIMITED, stdin=API_KEY).refusal()


@one_shard
def test_a_key_that_cannot_be_decrypted_hinders_nobody(cli: Cli, client: redis.Redis) -> None:
    """Nobody can say whether it is the same one."""
    forget_digests(client, "acme")
    client.hset("paceline:{0}:secret:acme", "key", "of another secret")
    assert 0 == cli("accounts", "add", "beta", *LIMITED, stdin=API_KEY).code
    assert 0 == cli("accounts", "add", "gamma", *LIMITED, stdin="another").code
