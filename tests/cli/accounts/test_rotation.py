"""`paceline accounts rotate`."""

import pytest
import redis

from paceline_sandbox.embedded import EmbeddedServer
from tests.cli.conftest import API_KEY, Cli, one_shard, stored_key

NEW_KEY = "UAKnew-5b1d"


@pytest.fixture(autouse=True)
def acme(cli: Cli) -> None:
    assert 0 == cli("accounts", "add", "acme", "--limit", "10/minute", "--no-info", stdin=API_KEY).code


def test_the_new_key_comes_from_stdin(cli: Cli, server: EmbeddedServer) -> None:
    """Like that of `add`; never from the command line."""
    answer = cli("accounts", "rotate", "acme", "--no-info", stdin=f"{NEW_KEY}\n")
    assert (0, "Account acme has its new key.\n", "") == (answer.code, answer.out, answer.err)
    assert NEW_KEY == stored_key(server, "acme")


def test_the_new_key_comes_from_a_variable(cli: Cli, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rule holds for `accounts add`."""
    monkeypatch.setenv("ACME_KEY", NEW_KEY)
    assert 0 == cli("accounts", "rotate", "acme", "--no-info", "--api-key-env", "ACME_KEY").code
    assert NEW_KEY == stored_key(server, "acme")


def test_keys_are_encrypted_anew_one_or_all(cli: Cli, server: EmbeddedServer) -> None:
    """With --same-key; what is stored differs, the keys do not."""
    cli("accounts", "add", "beta", "--limit", "10/minute", "--no-info", stdin=NEW_KEY)
    assert "1 key encrypted again.\n" == cli("accounts", "rotate", "beta", "--same-key").out
    assert "2 keys encrypted again.\n" == cli("accounts", "rotate", "--same-key").out
    assert (API_KEY, NEW_KEY) == (stored_key(server, "acme"), stored_key(server, "beta"))


@one_shard
def test_a_key_that_cannot_be_decrypted_keeps_the_others_from_nothing(
    cli: Cli, server: EmbeddedServer, client: redis.Redis
) -> None:
    """It is named, the others are encrypted again, and the exit code tells."""
    cli("accounts", "add", "beta", "--limit", "10/minute", "--no-info", stdin=NEW_KEY)
    before = client.hget("paceline:{0}:secret:beta", "key")
    client.hset("paceline:{0}:secret:acme", "key", "of another secret")
    answer = cli("accounts", "rotate", "--same-key")
    assert (1, "1 key encrypted again.\n") == (answer.code, answer.out)
    assert "the API key of account 'acme' cannot be decrypted" in answer.err
    assert before != client.hget("paceline:{0}:secret:beta", "key")
    assert NEW_KEY == stored_key(server, "beta")


def test_an_unknown_account_is_told(cli: Cli) -> None:
    """Nothing is encrypted again."""
    answer = cli("accounts", "rotate", "nobody", "--same-key")
    assert (1, "0 keys encrypted again.\n") == (answer.code, answer.out)
    assert "no account named 'nobody'" in answer.err


@pytest.mark.parametrize(
    ("code", "words", "arguments"),
    [
        (2, "NAME: is missing", ["--no-info"]),
        (2, "--same-key: leave --api-key-env out", ["acme", "--same-key", "--api-key-env", "X"]),
        (2, "the variable PACELINE_NOT_SET is not set", ["acme", "--api-key-env", "PACELINE_NOT_SET"]),
        (1, "no account named 'nobody'", ["nobody"]),
        (2, "API key: is empty", ["acme", "--no-info"]),
    ],
)
def test_what_cannot_be_is_one_sentence(
    cli: Cli, server: EmbeddedServer, code: int, words: str, arguments: list[str]
) -> None:
    """And the key stays."""
    answer = cli("accounts", "rotate", *arguments, stdin="\n")
    assert (code, "") == (answer.code, answer.out)
    assert words in answer.err
    assert 1 == len(answer.err.splitlines())
    assert API_KEY == stored_key(server, "acme")
